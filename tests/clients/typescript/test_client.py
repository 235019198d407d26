"""What the TypeScript client makes of options, answers, failures and cancelling."""

import asyncio
import os
import re

import grpc
import pytest
from runstream.v1 import errors_pb2, models_pb2, models_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import failure, last_part, part

MODEL = "@runstream/demo"
REASONS = [name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()[1:]]
ASKED = f'{{ model: "{MODEL}", prompt: "a" }}'


async def test_thinking_stands_apart_and_past_thinking_and_variables_are_sent(ask_fake, fake):
    fake.answer.reasoning_content = "A city."
    fake.parts = [part("", reasoning_content="A city."), last_part("York", usage=pb.Usage(reasoning_tokens=4))]
    found = await ask_fake(
        'const messages = [{ role: "user", content: "a" }];'
        "const said = { chatTemplateKwargs: { enable_thinking: true }, reasoningEffort: 'low' };"
        f'const options = {{ model: "{MODEL}", ...said }};'
        "const { message, reasoningContent } = await client.run({ ...options, messages });"
        "const stream = client.stream({ ...options, messages: [...messages, message, ...messages] });"
        "const parts = []; for await (const part of stream) parts.push([part.reasoningContent, part.text]);"
        "const result = await stream.result();"
        "return [reasoningContent, parts, result.reasoningContent, result.usage.reasoningTokens];"
    )
    assert found == ["A city.", [["A city.", ""], ["", "York"]], "A city.", 4]
    request = fake.requests[1]
    assert (request.chat_template_kwargs_json, request.reasoning_effort) == ('{"enable_thinking":true}', "low")
    assert [message.reasoning_content for message in request.conversation.messages] == ["", "A city.", ""]


@pytest.mark.parametrize("reason", REASONS)
async def test_each_reason_has_a_class(ask_fake, fake, reason):
    fake.status = failure(grpc.StatusCode.INTERNAL, reason, "no", retry_after_s=3, field="prompt.text")
    found = await ask_fake(
        f"const error = await name(() => client.run({ASKED}));"
        "return [error.constructor === rs.RunstreamError, error instanceof rs.RunstreamError,"
        " error.reason, error.message, error.field, error.retryAfterS, error.code === rs.Code.Internal];"
    )
    assert found == [False, True, reason, "no", "prompt.text", 3, True]


async def test_a_reason_that_is_newer_than_the_client_is_told_all_the_same(ask_fake, fake):
    fake.status = failure(grpc.StatusCode.INTERNAL, "NEWER", "no")
    found = await ask_fake(f"const error = await name(() => client.run({ASKED})); return [error.name, error.reason];")
    assert found == ["RunstreamError", "NEWER"]


async def test_what_is_unavailable_is_asked_again_as_often_as_the_client_was_told(ask_fake, fake):
    fake.status = failure(grpc.StatusCode.UNAVAILABLE)
    body = f"return (await name(() => client.run({ASKED}))).name;"
    assert await ask_fake(body, "maxAttempts: 2") == "UnreachableError"
    assert len(fake.requests) == 2
    fake.requests.clear()
    assert await ask_fake(body, "maxAttempts: 1") == "UnreachableError"
    assert len(fake.requests) == 1


async def test_a_service_that_is_not_there_yet_can_be_waited_for(ask_fake, fake):
    fake.status = failure(grpc.StatusCode.UNAVAILABLE)
    asked = asyncio.create_task(
        ask_fake(f"return (await client.run({ASKED})).text;", "maxAttempts: 1, waitForReady: true")
    )
    while len(fake.requests) < 2:
        await fake.started.wait()
        fake.started.clear()
    fake.status = None
    assert await asked == "New York"


async def test_a_wait_beyond_the_deadline_is_not_begun(ask_fake, fake):
    fake.status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "wait", retry_after_s=100)
    assert await ask_fake(f"return (await name(() => client.run({ASKED}))).retryAfterS;", "timeoutS: 50") == 100


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        ("for await (const part of client.stream(asked)) break; return 'left';", "left"),
        (
            "const stream = client.stream(asked); for await (const part of stream) stream.cancel(); return 'left';",
            "left",
        ),
        (
            "const left = new AbortController();"
            "const stream = client.stream({ ...asked, signal: left.signal });"
            "const error = await name(async () => { for await (const _ of stream) left.abort('enough'); });"
            "return [error.name, error.cause];",
            ["CallCancelledError", "enough"],
        ),
    ],
    ids=["break", "cancel", "signal"],
)
async def test_a_stream_that_is_left_is_cancelled(ask_fake, fake, leave, expected):
    fake.gate.clear()
    assert await ask_fake(f"const asked = {ASKED}; {leave}") == expected
    await fake.cancelled.wait()


async def test_what_comes_of_a_stream_as_it_is_left_keeps_no_process_alive(ask_fake, fake, tmp_path):
    os.mkfifo(held := tmp_path / "held")
    fake.gate.clear()
    fake.parts = [part("a"), part("b"), part("c"), last_part()]
    body = (
        'const { readFileSync } = await import("node:fs"); let texts = "";'
        f"for await (const {{ text }} of client.stream({ASKED})) {{"
        f' if ((texts += text) === "a") readFileSync("{held}"); else break; }}'
        "return texts;"
    )
    left = asyncio.create_task(ask_fake(body, "timeoutS: 99_999"))
    # The client stands still between its first part and this end of the pipe; all that is left comes at once.
    with await asyncio.to_thread(held.open, "w"):
        fake.gate.set()
        async with grpc.aio.insecure_channel(fake.target) as channel:
            for _ in range(20):
                await models_pb2_grpc.ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest())
    assert await left == "ab"


async def test_an_aborted_signal_cancels_a_whole_answer(ask_fake, fake, tmp_path):
    os.mkfifo(held := tmp_path / "held")
    fake.gate.clear()
    body = (
        'const { readFile } = await import("node:fs/promises"); const left = new AbortController();'
        f'readFile("{held}").then(() => left.abort());'
        f"return (await name(() => client.run({{ ...{ASKED}, signal: left.signal }}))).name;"
    )
    found = asyncio.create_task(ask_fake(body))
    await fake.started.wait()
    with await asyncio.to_thread(held.open, "w"):
        pass  # the client learns of the end of the pipe, and aborts
    await fake.cancelled.wait()
    assert await found == "CallCancelledError"


async def test_closing_the_client_ends_what_runs(ask_fake, fake):
    fake.gate.clear()
    found = await ask_fake(
        f"return (await name(async () => {{ for await (const _ of client.stream({ASKED})) client.close(); }})).name;"
    )
    assert found == "CallCancelledError"
    await fake.cancelled.wait()


async def test_the_joined_stream_is_the_whole(ask_fake, fake):
    stream, text = await ask_fake(
        f"const stream = client.stream({ASKED}); const whole = await stream.result();"
        "return [[whole.text, whole.finishReason, whole.usage.totalTokens], stream.text];"
    )
    assert (stream, text) == (["New York", "stop", 10], "New York")


async def test_a_request_carries_id_and_token(ask_fake, fake):
    await ask_fake(f'await client.run({{ ...{ASKED}, requestId: "mine" }});', 'token: "s3cret"')
    assert fake.metadata["x-runstream-request-id"] == "mine"
    assert fake.metadata["authorization"] == "Bearer s3cret"


async def test_models_come_page_by_page(ask_fake, fake):
    fake.other_models, fake.models_per_page = [fake.model] * 3, 2
    ids = "const ids = []; for await (const model of client.models.list()) ids.push(model.id); return ids;"
    assert await ask_fake(ids) == [MODEL] * 4


async def test_a_model_tells_how_it_drafts(ask_fake, fake):
    fake.model.speculative_method, fake.model.speculative_detail = models_pb2.SPECULATIVE_METHOD_NONE, "with overlap"
    told = (
        f"const model = await client.models.get({MODEL!r}); return [model.speculativeMethod, model.speculativeDetail];"
    )
    assert await ask_fake(told) == ["none", "with overlap"]


async def test_nothing_there_is_unreachable(ask, unused_tcp_port):
    error = await asyncio.to_thread(
        ask,
        f'const client = new rs.Client({{ target: "127.0.0.1:{unused_tcp_port}", maxAttempts: 1 }});'
        f"const error = await name(() => client.run({ASKED}));"
        "return [error.name, error.code === rs.Code.Unavailable];",
    )
    assert error == ["UnreachableError", True]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('{ target: "10.0.0.1:50051", token: "t" }', "in clear text"),
        ('{ baseUrl: "http://[2001:db8::1]:50051", token: "t" }', "in clear text"),
        ('{ baseUrl: "http://127.0.0.1.example.org:50051", token: "t" }', "in clear text"),
        ('{ token: "t\\n" }', "line end"),
        ('{ target: "gpu" }', "is no address"),
        ('{ baseUrl: "https://gpu.example.org/path" }', "is no address"),
        ('{ baseUrl: "http://gpu.example.org", tls: true }', "has no TLS"),
        ('{ ca: "ca.pem" }', "not its path"),
        ("{ tokn: 1 }", 'Client takes no "tokn"'),
    ],
)
def test_a_client_that_can_not_be_is_refused(ask, options, words):
    assert words in ask(f"return (await name(() => new rs.Client({options}))).message;")


@pytest.mark.parametrize(
    "options",
    [
        '{ target: "localhost:1", token: "t" }',
        '{ target: "[::1]:1", token: "t" }',
        '{ target: "10.0.0.1:1", token: "t", tls: true }',
        '{ target: "10.0.0.1:1", token: "t", allowPlaintextToken: true }',
    ],
)
def test_a_token_may_stay_here_or_be_hidden_or_be_shown_on_purpose(ask, options):
    assert ask(f"return (await name(() => new rs.Client({options}) && true));") == [True]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("stop: 1", "did you mean stopSequences or includeStopSequence or stopTokenIds?"),
        ("max_tokens: 1", "did you mean maxTokens?"),
        ("seed: 2 ** 53", "a bigint where it is over 2^53"),
        ("topK: 1.5", "topK is 1.5"),
        ("messages: []", "prompt and messages"),
        ("addGenerationPrompt: true", "does not go together with prompt"),
        ('priority: "high"', 'give "online" or "batch"'),
        ("responseFormat: 7", "give a JSON Schema"),
    ],
)
def test_a_request_that_can_not_be_is_refused_before_it_is_sent(ask, more, words):
    client = 'const client = new rs.Client({ target: "127.0.0.1:1" });'
    found = ask(
        f"{client} const error = await name(() => client.run({{ ...{ASKED}, {more} }}));"
        "return [error.name, error.message];"
    )
    assert found[0] == "TypeError"
    assert words in found[1]


async def test_a_schema_of_zod_is_sent_as_json_schema_and_gives_a_typed_value(ask_fake, fake):
    fake.answer = pb.RunResponse(text='{"n": 4}', finish_reason=pb.FINISH_REASON_STOP)
    zod = 'const { z } = await import("zod"); const form = z.object({ n: z.number() });'
    run = f"(await client.run({{ ...{ASKED}, responseFormat: form }})).parsed"
    assert await ask_fake(f"{zod} return {run};") == {"n": 4}
    assert re.search(r'"n":\s*{"type":\s*"number"}', fake.request.response_format.json_schema)
    fake.answer.text = '{"n": "four"}'
    message = await ask_fake(f"{zod} return (await name(async () => {run})).message;")
    assert message.startswith("the answer does not fit its schema: n: ")


async def test_an_answer_that_was_cut_is_no_value(ask_fake, fake):
    fake.answer = pb.RunResponse(text='{"n"', finish_reason=pb.FINISH_REASON_LENGTH)
    run = f'client.run({{ ...{ASKED}, responseFormat: "json_object" }})'
    assert "ask for more" in await ask_fake(f"return (await name(async () => (await {run}).parsed)).message;")
