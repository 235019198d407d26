"""`runstream run` and `runstream models` in scripts and on a terminal."""

import json
import subprocess
import sys
import tomllib

import pytest
from runstream.terminal.options import Connection

from tests.support.fake_service import DEMO
from tests.support.repository import ROOT
from tests.support.terminals import runstream, terminal

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
TOKEN = "a-token-of-the-test"
QUESTION = "where is new york?"


@pytest.fixture(params=["gRPC", "REST"])
def place(request, running_stack):
    """The options by which the real service is reached."""
    return ["--target", running_stack.service_address] if request.param == "gRPC" else ["--url", running_stack.url]


def told(done):
    """The one line that a failure has told; nothing stands on stdout."""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("runstream: ")


def test_an_answer_is_the_same_from_an_argument_and_from_standard_input(place):
    asked = runstream("run", *place, "--temperature", 0, QUESTION)
    piped = runstream("run", *place, "--temperature", 0, stdin=QUESTION)
    dashed = runstream("run", *place, "--temperature", 0, "--stream", "-", stdin=QUESTION)
    assert "United States" in asked.stdout
    assert asked.stdout == piped.stdout == dashed.stdout
    assert (asked.returncode, asked.stderr) == (0, "")


def test_json_tells_what_an_answer_took(place):
    done = runstream("run", *place, "--json", "--max-tokens", 3, "--allow-cut", "-m", DEMO, QUESTION)
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert (answer["model"], answer["finish_reason"]) == (DEMO, "length")
    assert answer["usage"]["completion_tokens"] == 3


def test_an_answer_that_is_cut_has_an_exit_code(place):
    done = runstream("run", *place, "--max-tokens", 3, QUESTION)
    assert (done.returncode, bool(done.stdout)) == (5, True)
    assert told(done).startswith("the answer was cut after 3 tokens: give a larger --max-tokens")


def test_a_schema_is_kept_to(place, tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    done = runstream("run", *place, "--schema", tmp_path / "schema.json", "--seed", 1, QUESTION)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)) == ["a"]


def test_what_the_service_refuses_is_told(place):
    unknown = runstream("run", *place, "-m", "@no/such", QUESTION)
    wrong = runstream("run", *place, "--temperature", 9, QUESTION)
    adapter = runstream("run", *place, "--lora", "sql", QUESTION)
    assert (unknown.returncode, wrong.returncode, adapter.returncode) == (3, 3, 3)
    assert told(unknown).endswith("`runstream models` lists what there is")
    assert "temperature" in told(wrong)
    assert "does not support LoRa inference" in told(adapter)


def test_models_are_listed(place):
    listed = json.loads(runstream("models", *place, "--json").stdout)
    table = runstream("models", *place).stdout
    state = "ready" if "--target" in place else "unknown"  # Workers AI's routes do not tell it
    assert {"id": DEMO, "state": state, "context_window": 1024}.items() <= listed[0].items()
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [[row["id"], row["state"]] for row in listed]


@pytest.mark.parametrize("option", ["--target=127.0.0.1:1", "--url=http://127.0.0.1:1"])
def test_where_nobody_listens_the_exit_code_says_so(option):
    done = runstream("run", option, QUESTION)
    assert done.returncode == 4
    assert "start the service or give another --target" in told(done)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["run", "--nope"], "No such option"),
        (["run", "--json", "--stream", "a"], "leave one out"),
        (["run", "--raw", "-s", "b", "a"], "--raw takes the prompt as it is"),
        (["run", "--target", "a:1", "--url", "http://a", "a"], "give one of them"),
        (["run", "--target", "nowhere", "a"], "is no address"),
        (["run", "--url", "ftp://a", "a"], "is no address of a bridge"),
        (["run", "--url", "http://[::1", "a"], "is no address of a bridge"),
        (["run", "--url", "http://a:99999", "a"], "is no address of a bridge"),
        (["models", "--target", b"\xff:1"], "'\\udcff:1' is not UTF-8"),
        (["models", "--url", b"http://\xff"], "is not UTF-8"),
        (["models", "--account", b"\xff"], "is not UTF-8"),
        (["run", "-m", b"\xff", "a"], "is not UTF-8"),
        (["run", b"\xff"], "is not UTF-8"),
        (["run", "--stop", b"\xff", "a"], "is not UTF-8"),
        (["run", "--timeout", "inf", "a"], "'--timeout': it is inf: give seconds above 0 and at most 1,000,000,000"),
        (["run", "--timeout", "nan", "a"], "it is nan: give seconds above 0"),
        (["run", "--timeout", "0", "a"], "it is 0.0: give seconds above 0"),
        (["models", "--timeout", "1e10"], "it is 10000000000.0: give seconds above 0"),
        (["models", "--timeout", "soon"], "is not a valid float"),
        (["run", "--url", "http://a/v1", "a"], "leave out what follows the port"),
        (["run", "--url", "https://a", "--tls", "a"], "--tls is for --target"),
        (["run", "--url", "http://a", "--ca", "/nonexistent", "a"], "--ca is for TLS"),
        (["run", "--schema", "/nonexistent", "a"], "No such file"),
        (["run", "--ca", "/nonexistent", "a"], "No such file"),
        (["run"], "standard input is empty"),
        (["batch", "--url", "http://a", "b"], "batch speaks gRPC only"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(arguments, what):
    done = runstream(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert what in told(done)


def test_the_version_is_that_of_the_package():
    version = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]["version"]
    assert runstream("--version").stdout == f"runstream {version}\n"


def test_a_token_goes_to_no_other_machine_in_clear_text():
    for place in ("--target=192.0.2.1:1", "--url=http://192.0.2.1:1"):
        done = runstream("run", place, "a", RUNSTREAM_TOKEN="s3cret")
        assert done.returncode == 2
        assert "in clear text" in told(done)


def test_a_token_that_no_header_can_carry_is_refused_and_not_shown():
    for place in ("--target=127.0.0.1:1", "--url=http://127.0.0.1:1"):
        done = runstream("run", place, "a", RUNSTREAM_TOKEN="s3\ncret")
        assert done.returncode == 2
        assert "it may have a line end" in told(done)
        assert "cret" not in done.stderr


def test_nothing_that_a_traceback_shows_has_the_token():
    assert TOKEN not in repr(Connection("127.0.0.1:1", "", TOKEN, None, None, None, False, "a", 1.0))


async def test_a_token_comes_from_the_environment_or_a_file(fake, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    shown = []
    for flags, variables in (([], {"RUNSTREAM_TOKEN": "from-env\n"}), (["--token-file", tmp_path / "token"], {})):
        with terminal("run", "--target", fake.target, *flags, "a", state=tmp_path, **variables) as screen:
            assert await screen.end() == 0
        shown.append(fake.metadata["authorization"])
    assert shown == ["Bearer from-env", "Bearer from-a-file"]


def test_tls_and_a_token_are_asked_for_and_told_of(secure_stack):
    command = ["run", "--target", secure_stack.service_address, "--ca", secure_stack.ca, QUESTION]
    assert "United States" in runstream(*command, RUNSTREAM_TOKEN=secure_stack.token).stdout
    refused = runstream(*command, RUNSTREAM_TOKEN="wrong")
    assert refused.returncode == 3
    assert told(refused) == "the token is not the service's; give RUNSTREAM_TOKEN or --token-file"


def test_input_that_is_too_large_is_refused_before_it_is_read_whole():
    """A device without an end: reading it whole would never end."""
    command = [sys.executable, "-m", "runstream.terminal", "run", "--target", "127.0.0.1:1"]
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(command, stdin=endless, capture_output=True, text=True)
    assert done.returncode == 2
    assert "standard input has more than the 16,777,216 bytes that are taken" in told(done)


def test_input_that_is_no_utf_8_is_refused():
    assert "is not UTF-8 at byte 1" in told(runstream("run", stdin=b"a\xff"))


async def test_ctrl_c_ends_the_command_and_the_generation(fake, tmp_path):
    fake.gate.clear()
    with terminal("run", "--target", fake.target, "where?", state=tmp_path) as screen:
        await screen.until("New")
        screen.type("\x03")
        await fake.cancelled.wait()
        assert await screen.end() == 130


async def test_escape_sequences_are_shown_on_a_terminal_and_untouched_in_a_file(fake, tmp_path):
    fake.answer.text = "a\x1b[2Jb\x9bc"
    fake.parts[0].text = fake.answer.text
    with terminal("run", "--target", fake.target, "where?", state=tmp_path) as screen:
        await screen.end()
    assert screen.screen == "a\\x1b[2Jb\\x9bc York\r\n"
    with terminal("run", "--json", "--target", fake.target, "where?", state=tmp_path) as screen:
        await screen.end()
    assert "\x9b" not in screen.screen


def test_the_base_package_loads_nothing_of_the_extra():
    """And `runstream` without it says what to install."""
    loaded = (
        "import sys, runstream; "
        "print([m for m in ('aiohttp', 'click', 'markdown_it', 'prompt_toolkit', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"
    without = "import sys; sys.modules['rich'] = None; from runstream.terminal.entry import main; main()"
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'runstream-client[cli]'" in told(done)
