"""What the TypeScript client's calls are told beside their request: times, signals, names that they don't know."""

import asyncio

import pytest
from runstream.v1 import batches_pb2

ASKED = '{ model: "@runstream/demo", prompt: "a" }'
BATCH = '{ model: "@runstream/demo", items: ["a"] }'


@pytest.fixture
def refusal(ask):
    """The name and message of the error of a call by a client that nobody answers."""

    def refused(call):
        client = 'const client = new rs.Client({ target: "127.0.0.1:1", maxAttempts: 1 });'
        return ask(f"{client} const error = await name(() => {call}); return [error.name, error.message];")

    return refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('client.models.get("m", { timeout: 1 })', 'a call takes no "timeout": did you mean timeoutS?'),
        ('client.models.load("m", { abort: 1 })', 'a call takes no "abort"'),
        ("client.models.list({ pagesize: 1 }).next()", 'list takes no "pagesize": did you mean pageSize?'),
        ("client.batches.list({ page_size: 1 }).next()", 'list takes no "page_size": did you mean pageSize?'),
        ('client.batches.results("b", { timeout: 1 }).next()', "did you mean timeoutS?"),
        (f"client.batches.create({{ ...{BATCH}, request_id: 1 }})", "did you mean requestId?"),
        ('client.batches.wait("b", { poll: 1 })', 'wait takes no "poll": did you mean pollS?'),
    ],
)
def test_an_option_that_a_call_does_not_know_is_refused(refusal, call, words):
    kind, message = refusal(call)
    assert kind == "TypeError"
    assert words in message


@pytest.mark.parametrize("seconds", ["0", "-1", "NaN", "100_000", "Infinity"])
def test_a_time_that_the_wire_can_not_say_is_refused(refusal, seconds):
    expected = "give seconds, more than 0 and at most 99,999"
    assert expected in refusal(f"client.run({{ ...{ASKED}, timeoutS: {seconds} }})")[1]
    assert expected in refusal(f"new rs.Client({{ timeoutS: {seconds} }})")[1]


async def test_the_longest_time_is_one(ask_fake):
    assert await ask_fake(f"return (await client.run({{ ...{ASKED}, timeoutS: 99_999 }})).text;") == "New York"


@pytest.mark.parametrize("times", ["pollS: 0", "pollS: NaN", "timeoutS: -1", "timeoutS: NaN"])
def test_times_that_a_wait_can_not_have_are_refused(refusal, times):
    kind, message = refusal(f'client.batches.wait("b", {{ {times} }})')
    assert kind == "TypeError"
    assert "give seconds, " in message


async def test_a_wait_ends_with_its_time_not_after_the_next_look(ask_fake):
    error = await ask_fake(
        'await client.batches.get("b"); const wait = () => client.batches.wait("b", { pollS: 1_000, timeoutS: 2 });'
        "const error = await name(wait);"
        "return [error.name, error.message];"
    )
    assert error == ["DeadlineExceededError", "batch b has 0 of 0 results, and goes on: wait longer"]


async def test_a_look_that_gets_no_answer_ends_with_the_wait(ask):
    async def say_nothing(reader, writer):
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        client = f'const client = new rs.Client({{ target: "127.0.0.1:{port}" }});'
        wait = 'client.batches.wait("b", { timeoutS: 0.05 })'
        told = await asyncio.to_thread(
            ask, f"{client} const error = await name(() => {wait}); return [error.name, error.message];"
        )
    assert told == ["DeadlineExceededError", "batch b has not been seen in that time, and goes on: wait longer"]


async def test_a_wait_may_look_as_seldom_as_it_likes(ask_fake, fake):
    look = "() => { numLooks += 1; setTimeout(() => left.abort(), 200); }"
    wait = f'client.batches.wait("b", {{ pollS: 1e9, signal: left.signal, onProgress: {look} }})'
    body = f"let numLooks = 0; const left = new AbortController(); await name(() => {wait}); return numLooks;"
    assert await ask_fake(body) == 1


async def test_a_wait_that_is_aborted_tells_the_reason(ask_fake, fake):
    options = "pollS: 1_000, signal: left.signal, onProgress: () => setImmediate(() => left.abort('enough'))"
    error = await ask_fake(
        "const left = new AbortController();"
        f'const error = await name(() => client.batches.wait("b", {{ {options} }})); return [error.name, error.cause];'
    )
    assert error == ["CallCancelledError", "enough"]


async def test_a_batch_that_has_ended_is_waited_for(ask_fake, fake):
    fake.batch.state = batches_pb2.BATCH_STATE_DONE
    fake.batch.create_time.GetCurrentTime()
    assert await ask_fake('return (await client.batches.wait("b", { timeoutS: 0 })).hasEnded;') is True


async def test_a_schema_is_written_once(ask_fake):
    form = '{ toJSON: () => ((numWritten += 1), { type: "object" }) }'
    run = f"await client.run({{ ...{ASKED}, responseFormat: {form} }})"
    assert await ask_fake(f"let numWritten = 0; {run}; return numWritten;") == 1
