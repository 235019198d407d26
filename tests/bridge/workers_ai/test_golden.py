"""The bytes of one answer of each kind, as they were captured from the real service.

Each file in golden/ says where its capture stands and each difference that is meant; what the service behind the bridge
says is made to be the same. "Facts" is the project's collection of captures and of what its clients' sources say, by
section; it stands outside of this repository. What a capture can't foretell, such as ids and times, stands in angle
brackets.
"""

import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from runstream.v1 import batches_pb2, models_pb2
from runstream.v1 import text_generation_pb2 as pb

from accounts.tokens import Token, hash_token
from tests.support.fake_service import failure, part

GOLDEN = Path(__file__).parent / "golden"
LLAMA = "@cf/meta/llama-3.1-8b-instruct"
ABSENT = "@cf/meta/no-such-model-ifixai"
ACCOUNT = "/client/v4/accounts/acc"
WEATHER = {"id": "chatcmpl-tool-1", "name": "get_weather", "arguments_json": '{"location":"SF"}'}
STOCK = {"name": "stock_add", "arguments_json": '{"producto": "camisa celeste", "cantidad": "4"}'}
COUNTRY = '{"name": "India", "capital": "New Delhi", "languages": ["Hindi", "English"]}'
TIMEOUT = failure(grpc.StatusCode.DEADLINE_EXCEEDED)
NO_MODEL = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")

PADDING = "[a-z0-9]{2,50}"
PLACES = {
    "request_id": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "token_id": r"[0-9a-f]{32}",
    "created": r"\d{10}",
    "created_ms": r"\d{13}",
}

# An answer's counts, by what they are in the captures.
USAGES = {
    86: pb.Usage(prompt_tokens=86, completion_tokens=171),
    755: pb.Usage(prompt_tokens=755, completion_tokens=10),
    57: pb.Usage(prompt_tokens=57, completion_tokens=28),
    45: pb.Usage(prompt_tokens=45, completion_tokens=2),
}


def whole(text="", prompt_tokens=57, reason=pb.FINISH_REASON_STOP, **fields):
    """What the service answers as a whole."""
    usage = USAGES[prompt_tokens]
    return {"answer": pb.RunResponse(served_model=LLAMA, text=text, finish_reason=reason, usage=usage, **fields)}


def streamed(*texts, prompt_tokens=57, reason=pb.FINISH_REASON_STOP, **fields):
    """What the service answers in parts."""
    texts_parts = [part(text, served_model=LLAMA) for text in texts]
    end = {"served_model": LLAMA, "finish_reason": reason, "usage": USAGES[prompt_tokens]}
    return {"parts": [*texts_parts, part("", **end, **fields)]}


def run(model=LLAMA, **body: Any):
    """A run request."""
    return {"path": f"{ACCOUNT}/ai/run/{model}", "json": {"prompt": "hi", **body}}


def chat(**body: Any):
    """A chat completion request."""
    messages = [{"role": "user", "content": "ping"}]
    return {"path": f"{ACCOUNT}/ai/v1/chat/completions", "json": {"model": LLAMA, "messages": messages, **body}}


def bind(model=LLAMA):
    """A run request of the binding."""
    body = {"inputs": {"prompt": "hi"}, "options": {}}
    return {"path": "/run?version=3", "json": body, "headers": {"cf-consn-model-id": model}}


def queue(**body: Any):
    """A request for a batch, or about one."""
    return {"path": f"{ACCOUNT}/ai/run/{LLAMA}?queueRequest=true", "json": body}


BATCH_ID = "768f15b7-4fd6-4498-906e-ad94ffc7f8d2"
DONE_BATCH = {
    "batch": batches_pb2.Batch(id=BATCH_ID, model=LLAMA, state=batches_pb2.BATCH_STATE_DONE),
    "pages": [[batches_pb2.BatchResult(response=whole("Hello", 86)["answer"])]],
}

STREAM = {"stream": True}
WRONG_MESSAGES = {"prompt": None, "messages": [{"role": "user", "content": {}}, {}]}
CALLED = {"reason": pb.FINISH_REASON_TOOL_CALLS}

# By file: what the service says, and what the client asks.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "native": (whole("Hello", 86), run()),
    "native_stream": (streamed("Hello", "!", "?", prompt_tokens=755), run(**STREAM)),
    "native_stream_padded": (streamed("Hello", "!", "?", prompt_tokens=755), run(**STREAM)),
    "numbers_stream": (streamed("6", ".50"), run(**STREAM)),
    "tool_calls": (whole(tool_calls=[STOCK], **CALLED), run()),
    "tool_calls_stream": (streamed(tool_calls=[WEATHER], **CALLED), run(**STREAM)),
    "json_mode": (whole(COUNTRY), run(response_format={"type": "json_object"})),
    "model_error": ({"status": NO_MODEL}, run(ABSENT)),
    "input_error": ({}, run(**WRONG_MESSAGES)),
    "timeout_error": ({"status": TIMEOUT}, run()),
    "gateway_error": ({}, {**run(), "headers": {"Authorization": "Bearer wrong"}}),
    "no_route": ({}, {"path": f"{ACCOUNT}/ai/walk", "json": {}}),
    "stream_error": ({"parts": [part("Hello", served_model=LLAMA)], "status": TIMEOUT}, run(**STREAM)),
    "binding": (whole("Hello", 86), bind()),
    "binding_error": ({"status": NO_MODEL}, bind(ABSENT)),
    "chat": (whole("pong", 45), chat()),
    "chat_stream": (streamed("Hello", "!", prompt_tokens=45), chat(**STREAM, stream_options={"include_usage": True})),
    "chat_tool_calls_stream": (streamed(tool_calls=[WEATHER], **CALLED), chat(**STREAM)),
    "text_completion": (
        whole("pong", 45),
        {"path": f"{ACCOUNT}/ai/v1/completions", "json": {"model": LLAMA, "prompt": "ping"}},
    ),
    "models": ({}, {"method": "GET", "path": f"{ACCOUNT}/ai/models/search?per_page=50"}),
    "batch_queued": ({"batch": batches_pb2.Batch(id=BATCH_ID, model=LLAMA)}, queue(requests=[{"prompt": "hi"}])),
    "batch_done": (DONE_BATCH, queue(request_id=BATCH_ID)),
    "token": ({}, {"method": "GET", "path": "/client/v4/user/tokens/verify"}),
}


def read_golden(name):
    """An answer with places, without the comments."""
    lines = (GOLDEN / f"{name}.http").read_text("utf-8").splitlines(keepends=True)
    comments = [line for line in lines if line.startswith("# ")]
    assert any(line.startswith("# Differs: ") for line in comments)
    text = "".join(lines[len(comments) :]).removesuffix("\n")
    # The empty line that ends the last event is not in the file, where nobody would see it.
    return text + "\n\n" * ("event-stream" in text)


def as_pattern(text):
    """A pattern of a text with places; one that stands twice is the same both times, but for padding."""
    first, *rest = re.split(r"<(padding|request_id|token_id|created_ms|created)>", text)
    pattern = re.escape(first)
    for name, following in zip(rest[::2], rest[1::2], strict=True):
        is_again = f"(?P<{name}>" in pattern
        named = f"(?P={name})" if is_again else f"(?P<{name}>{PLACES.get(name)})"
        pattern += (PADDING if name == "padding" else named) + re.escape(following)
    return pattern


def written(answer, names):
    """An answer as the golden files have it, with the headers of some names."""
    headers = "".join(f"{name}: {answer.headers[name]}\n" for name in names)
    return f"HTTP/1.1 {answer.status}\n{headers}\n{answer.body.decode()}"


@pytest.mark.parametrize("name", CASES)
async def test_the_answer_is_the_capture_to_the_byte(start_bridge, service, name):
    said, asked = CASES[name]
    needs_token = name == "gateway_error"
    tokens = (Token("acc", hash_token("right"), "laptop"),) if needs_token else ()
    bridge = await start_bridge(tokens=tokens, pad_events=name.endswith("_padded"))
    licence = "https://www.llama.com/llama3_1/license/"
    service.model = models_pb2.Model(id=LLAMA, description="Llama 3.1", license=licence, served_model=LLAMA)
    service.model.context_window, service.model.can_call_tools = 7968, True
    for attribute, value in said.items():
        setattr(service, attribute, value)
    answer = await bridge.ask(**{"method": "POST", **asked})
    golden = read_golden(name)
    names = [line.partition(":")[0] for line in golden.partition("\n\n")[0].splitlines()[1:]]
    assert re.fullmatch(as_pattern(golden), written(answer, names)), written(answer, names)


def test_each_golden_file_is_looked_at_and_has_json():
    assert {path.stem for path in GOLDEN.iterdir()} == CASES.keys()
    for path in GOLDEN.iterdir():
        body = re.sub(r"<(\w+)>", "0", path.read_text("utf-8").split("\n\n", maxsplit=1)[1])
        for line in body.splitlines():
            if line.startswith(("{", "data: {")):
                json.loads(line.removeprefix("data: "))
