"""`runstream --url` and a server that is no bridge: one line says so, whatever it sends."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.terminals import runstream_async

STREAM, WHOLE, MODELS = ("run", "-m", "a", "--stream", "b"), ("run", "-m", "a", "b"), ("models",)


async def asked(body, arguments, status=200):
    """What the command ends with, where a server answers everything with a body."""

    async def answer(_):
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        return await runstream_async(*arguments, "--url", str(server.make_url("")).rstrip("/"))


@pytest.mark.parametrize(
    ("arguments", "body", "what"),
    [
        (STREAM, b'data: {"response":[5]}\n\n', "its 'response' is of the wrong type"),
        (STREAM, b"data: " + b"[" * 100_000 + b"\n\n", "it sends no JSON"),
        (STREAM, b"data: " + b"a" * 5_000_000, "a line of its stream is too long"),
        (STREAM, b"data: [5]\n\n", "it sends JSON that is no object"),
        (STREAM, b'data: {"errors":5}\n\n', "its 'errors' is of the wrong type"),
        (STREAM, b'data: {"errors":[{"code":[],"message":""}]}\n\n', "its 'code' is of the wrong type"),
        (STREAM, b'data: {"usage":{"prompt_tokens":1e999}}\n\n', "its 'prompt_tokens' is of the wrong type"),
        (WHOLE, b'{"result":5}', "its 'result' is of the wrong type"),
        (WHOLE, b'{"result":{"response":"a","finish_reason":5}}', "its 'finish_reason' is of the wrong type"),
        (WHOLE, b"{}", "its answer has no 'response'"),
        (WHOLE, b'{"result":{"response":null,"tool_calls":[]}}', "its answer has no 'response'"),
        (WHOLE, b"[" * 100_000, "it sends no JSON"),
        (WHOLE, b"\xff", "it sends no JSON"),
        (MODELS, b'{"result":[5]}', "its 'result' has other than objects"),
        (MODELS, b'{"result":[{"name":{}}]}', "its 'name' is of the wrong type"),
    ],
    ids=range(15),
)
async def test_an_answer_that_is_not_workers_ai_s_is_told_in_one_line(arguments, body, what):
    done = await asked(body, arguments)
    assert done.returncode == 1
    assert done.stderr.endswith(f"does not answer as Workers AI does: {what}: check --url\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"errors":[{"code":1e999}]}', b"5", b"<html>"])
async def test_a_failure_that_is_not_workers_ai_s_is_told_in_one_line(body):
    done = await asked(body, WHOLE, status=418)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "answers 418: check --url" in done.stderr


async def test_a_window_that_is_no_number_is_none():
    row = b'{"name":"a","properties":[{"property_id":"context_window","value":"1e999"}]}'
    done = await asked(b'{"result":[%s]}' % row, (*MODELS, "--json"))
    assert '"context_window": 0' in done.stdout


async def test_a_port_of_grpc_is_told_in_one_line(fake):
    done = await runstream_async("run", "--url", f"http://{fake.target}", "-m", "a", "b")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "it speaks another protocol than HTTP/1.1; a port of gRPC is for --target: check --url\n"
    )
    assert done.stderr.count("\n") == 1


async def test_a_number_in_a_stream_is_text():
    done = await asked(b'data: {"response":"6 * 7 = "}\n\ndata: {"response":42}\n\ndata: [DONE]\n\n', STREAM)
    assert (done.returncode, done.stdout) == (0, "6 * 7 = 42\n")


def events(*texts):
    """A stream of events with these data."""
    return "".join(f"data: {text}\n\n" for text in (*texts, "[DONE]")).encode()


@pytest.mark.parametrize(
    "body",
    [
        events('{"response":"one "}', '{"response":"two","usage":{"prompt_tokens":1}}', '{"response":"","usage":{}}'),
        events('{"response":"one ","usage":{"prompt_tokens":1}}', '{"response":"two","usage":{"prompt_tokens":1}}'),
        events('{"response":"one ","finish_reason":"stop"}', '{"response":"two","finish_reason":"stop"}'),
    ],
    ids=["usage with text", "usage in each", "reason in each"],
)
async def test_no_text_of_a_stream_is_lost(body):
    done = await asked(body, STREAM)
    assert (done.returncode, done.stdout) == (0, "one two\n")


async def test_a_reason_that_was_told_stays_when_usage_follows_alone():
    told = events('{"response":"a","finish_reason":"length"}', '{"response":"","usage":{"completion_tokens":7}}')
    done = await asked(told, STREAM)
    assert (done.returncode, done.stdout) == (5, "a\n")
    assert "the answer was cut after 7 tokens" in done.stderr


async def test_an_answer_of_calls_alone_has_no_text():
    done = await asked(b'{"result":{"response":null,"tool_calls":[{"name":"f","arguments":{}}]}}', WHOLE)
    assert (done.returncode, done.stdout) == (0, "\n")


async def test_a_null_that_a_schema_asked_for_is_an_answer(tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "null"}')
    done = await asked(b'{"result":{"response":null}}', (*WHOLE, "--schema", str(tmp_path / "schema.json")))
    assert (done.returncode, done.stdout) == (0, "null\n")
