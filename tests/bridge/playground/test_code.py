"""Requests as code: what the code says, read as its own language reads it, is the request."""

import ast
import inspect
import json
import re
import subprocess

import pytest
from cloudflare.resources.ai import AIResource
from google.protobuf import json_format
from hypothesis import given
from openai.resources import Completions
from openai.resources.chat import Completions as ChatCompletions
from runstream.v1 import text_generation_pb2 as pb

from bridge.http.access_log import Access
from bridge.openai.chat_request import parse_chat
from bridge.openai.completion_request import parse_completion
from bridge.workers_ai.schema import check_input
from bridge.workers_ai.translation import to_run_input
from scripts.real_clients import NODE, NODE_FOLDER, TYPESCRIPT_FOLDER, has_node_clients, has_typescript
from tests.support.code_writer import code_writer
from tests.support.missing_tools import skip_or_fail
from tests.support.native_bodies import BODIES, CALLING, FLAT, FORMATS, NATIVE

ORIGIN = "http://127.0.0.1:8080"
MODEL = "@cf/meta/llama-3.1-8b-instruct"
GRPC = {"address": "127.0.0.1:50051", "is_tls": False, "needs_token": False}
REQUEST = {"origin": ORIGIN, "account": "local", "model": MODEL, "needsToken": False, "grpc": GRPC}
RUN_URL = f"{ORIGIN}/client/v4/accounts/local/ai/run/{MODEL}"
KINDS = ["curl", "python-requests", "python-cloudflare", "python-openai", "typescript", "worker", "grpcurl"]


@pytest.fixture(scope="module")
def write():
    with code_writer(REQUEST) as writer:
        yield writer


def as_json(value):
    """A value as JSON leaves it: halves of characters that meet become one, and numbers are those of JavaScript."""
    return json.loads(json.dumps(value), parse_int=float)


def words_of(code, program):
    """What a shell passes to a program."""
    script = f"{program}() {{ printf '%s\\0' \"$@\"; }}\n{code}"
    done = subprocess.run(["bash", "-uc", script], capture_output=True, env={"RUNSTREAM_TOKEN": "s3cret"}, check=True)
    return done.stdout.decode().split("\0")[:-1]


def call_of(code, name):
    """The arguments of a call in a script of Python: those without a name, and those with one."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if ast.unparse(call.func).endswith(name)]
    return [ast.literal_eval(each) for each in call.args], {
        each.arg: ast.literal_eval(each.value) for each in call.keywords
    }


def sendable(value):
    """A value as an SDK can send it: without halves of characters."""
    text = json.dumps(as_json(value), ensure_ascii=False)
    return as_json(json.loads(re.sub("[\ud800-\udfff]", "\ufffd", text)))


def merged(arguments):
    """The body that an SDK makes of its arguments."""
    return {**arguments.pop("extra_body", {}), **arguments}


@given(body=BODIES)
def test_a_shell_passes_curl_the_body(write, body):
    code, _ = write("curl", body)
    *flags, url, dash_d, data = words_of(code, "curl")
    assert (flags, url, dash_d) == (["-N"] if "stream" in body else [], RUN_URL, "-d")
    assert json.loads(data, parse_int=float) == as_json(body)


def test_a_number_that_is_none_of_javascripts_goes_as_null_as_it_does_from_the_page(write):
    code, _ = write("python-requests", {"prompt": "hi", "seed": 10**400})
    _, named = call_of(code, "requests.post")
    assert named["json"] == {"prompt": "hi", "seed": None}


@given(body=BODIES)
def test_python_passes_requests_the_body(write, body):
    code, _ = write("python-requests", body)
    (url,), named = call_of(code, "post")
    assert (url, as_json(named["json"])) == (RUN_URL, as_json(body))
    assert named.get("stream", False) == ("stream" in body)


@given(body=BODIES)
def test_python_passes_cloudflares_sdk_the_body(write, body):
    code, _ = write("python-cloudflare", body)
    (model,), named = call_of(code, "run")
    assert set(named) <= set(inspect.signature(AIResource.run).parameters)
    assert (model, named.pop("account_id")) == (MODEL, "local")
    assert as_json(merged(named)) == sendable(body)


@pytest.mark.parametrize("kind", ["python-cloudflare", "python-openai"])
def test_half_a_character_which_an_sdk_can_t_send_is_replaced_and_noted(write, kind):
    code, _ = write(kind, {"prompt": "\\ud800 \ud83d\ude00 \ud800"})
    assert code.startswith("# Half a character can't be sent: \\ufffd stands for each.\n")
    assert "\\\\ud800 😀 \\ufffd" in code
    assert "Half" not in write(kind, {"prompt": "\\ud800 \ud83d\ude00"})[0]


@pytest.mark.parametrize("kind", ["curl", "python-requests", "typescript"])
def test_a_model_s_id_stands_in_the_address_as_addresses_have_it(write, kind):
    code, _ = write(kind, {"prompt": "hi"}, model="@cf/me/a b?c#d%20e\nf/é")
    assert f"{ORIGIN}/client/v4/accounts/local/ai/run/@cf/me/a%20b%3Fc%23d%2520e%0Af/%C3%A9" in code


@pytest.mark.parametrize(("kind", "where"), [("typescript", RUN_URL), ("worker", MODEL)])
@given(body=BODIES)
def test_javascript_passes_the_body(write, kind, where, body):
    _, asked = write(kind, body)
    assert asked == [where, as_json(body)]


def same(request):
    """A request whose texts of JSON are told by what they say, not by their white space."""
    fields = {"sampling_params": {}, **json_format.MessageToDict(request, preserving_proto_field_name=True)}
    texts = [fields.get("response_format", {}), *fields.get("tools", [])]
    for message in fields.get("conversation", {}).get("messages", []):
        texts += message.get("tool_calls", [])
    for holder in texts:
        for name in {"json_schema", "parameters_json", "arguments_json"} & set(holder):
            holder[name] = json.loads(holder[name])
    return fields


def native(body):
    """What the service is asked for by Workers AI's own route."""
    return same(to_run_input(MODEL, check_input(body)).request)


@given(body=NATIVE)
def test_grpcurl_asks_for_what_the_route_asks_for(write, body):
    code, _ = write("grpcurl", body)
    plaintext, _, data, address, method = words_of(code, "grpcurl")
    assert (plaintext, address) == ("-plaintext", "127.0.0.1:50051")
    assert method == "runstream.v1.TextGenerationService/Run"
    assert same(json_format.Parse(data, pb.RunRequest())) == native(body)


@given(body=NATIVE.filter(lambda body: not (body.get("raw") and "tools" in body)))
def test_openai_is_asked_for_what_the_route_asks_for(write, body):
    code, _ = write("python-openai", body)
    _, named = call_of(code, "create")
    parse, create = (parse_completion, Completions) if "prompt" in named else (parse_chat, ChatCompletions)
    assert set(named) <= set(inspect.signature(create.create).parameters)
    asked = parse(json.dumps(merged(named)).encode(), Access("test")).request
    if "max_tokens" not in body:
        asked.sampling_params.ClearField("max_tokens")
        asked.sampling_params.ClearField("max_tokens_is_default")
    expected = native(body)
    if "prompt" in expected and not expected["prompt"].get("raw"):
        # To OpenAI a prompt that goes through the chat template is a message.
        message = {"role": "user", "content": [{"text": expected.pop("prompt")["text"]}]}
        expected["conversation"] = {"messages": [message]}
    if expected.get("conversation", {}).get("raw"):
        said = expected.pop("conversation")["messages"]
        expected["prompt"] = {
            "text": "".join(part["text"] for message in said for part in message["content"]),
            "raw": True,
        }
    assert same(asked) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_stands_nowhere_but_in_the_environment(write, kind):
    grpc = {**GRPC, "needs_token": True}
    code, _ = write(kind, {"prompt": "hi"}, needsToken=True, grpc=grpc)
    assert ("RUNSTREAM_TOKEN" in code) == (kind != "worker")  # where the binding has it from
    if kind in ("curl", "grpcurl"):
        assert "Bearer s3cret" in " ".join(words_of(code, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("raw", [False, True])
def test_log_probabilities_are_asked_for_where_they_can_be(write, kind, raw):
    code, _ = write(kind, {"prompt": "hi", "raw": raw}, topLogprobs=3)
    if kind in ("python-cloudflare", "worker"):
        assert "Workers AI's own route has no log probabilities" in code
        assert "logprobs" not in code
    else:
        assert "logprobs" in code


@pytest.mark.parametrize("kind", ["python-cloudflare", "worker"])
def test_without_log_probabilities_json_is_not_streamed(write, kind):
    code, _ = write(kind, {"prompt": "hi", "response_format": FORMATS[0], "stream": True}, topLogprobs=3)
    assert "stream" not in code


@pytest.mark.parametrize(
    ("kind", "body", "note"),
    [
        ("grpcurl", {"prompt": "hi", "lora": "x", "options": {}}, "# RunRequest has no options.\n"),
        ("python-openai", {"prompt": "hi", "raw": True, "tools": [FLAT]}, "# This route has no tools.\n"),
    ],
)
def test_what_can_t_be_said_is_named(write, kind, body, note):
    assert write(kind, body)[0].startswith(note)


def test_a_stream_over_grpc_has_the_limit_that_the_route_gives_it(write):
    code, _ = write("grpcurl", {"prompt": "hi", "stream": True}, maxTokensStreamed=1800)
    *_, data, _, method = words_of(code, "grpcurl")
    assert json.loads(data)["sampling_params"] == {"max_tokens": 1800, "max_tokens_is_default": True}
    assert method.endswith("/RunStream")


def test_tls_is_trusted_by_a_file_of_certificates(write):
    code, _ = write("grpcurl", {"prompt": "hi"}, grpc={**GRPC, "is_tls": True})
    assert words_of(code, "grpcurl")[:2] == ["-cacert", "ca.pem"]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "hi", "min_p": 0.1},
        {"prompt": "hi", "stream": True},
        {"messages": CALLING, "tools": [FLAT], "stream": True},
        {"messages": CALLING, "response_format": FORMATS[2]},
    ],
)
def test_typescript_is_of_the_types_of_what_it_imports(write, body, tmp_path):
    if not (has_node_clients() and has_typescript()):
        skip_or_fail("tests/node or clients/typescript is not as package-lock.json has it: run `make setup-dev`")
    (tmp_path / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "ask.ts").write_text(write("typescript", body, needsToken=True)[0])
    packages = TYPESCRIPT_FOLDER / "node_modules"
    flags = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"]
    types = ["--types", "node", "--typeRoots", str(packages / "@types")]
    command = [str(NODE), str(packages / "typescript" / "bin" / "tsc"), *flags, *types, "ask.ts"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")
