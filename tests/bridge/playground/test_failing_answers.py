"""What the page tells of an answer that fails, breaks off or is left on the way."""

import grpc
import pytest

from tests.support.bridge_process import bridge_process
from tests.support.fake_service import failure, last_part, part
from tests.support.page import ANSWER, ENDING, send


async def test_an_error_of_the_service_is_told_with_the_request_s_id(chat, service):
    service.parts, service.status = [], failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full")
    await send(chat)
    ending = await chat.until(ENDING, "Request id:")
    assert ending.startswith("Capacity temporarily exceeded, please try again.")
    assert service.metadata["x-runstream-request-id"] in ending


async def test_an_answer_that_fails_on_the_way_keeps_what_has_come(chat, service):
    service.parts = [part("New")]
    service.status = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "The engine ended")
    await send(chat)
    await chat.until(ENDING, "The engine ended")
    assert await chat.texts(ANSWER) == ["New"]
    service.parts, service.status = [part("New"), part(" York"), last_part()], None
    await chat.click(".turn.assistant .turn-tools button:first-child")
    await chat.until(ANSWER, "New York")


async def test_a_bridge_that_stops_ends_the_answer_in_words(chat, bridge, service):
    service.gate.clear()
    await send(chat)
    await chat.until(ANSWER, "New")
    await bridge.runner.cleanup()
    await chat.until(ENDING, "The server is shutting down.")


async def test_a_bridge_that_is_killed_in_the_midst_of_an_answer_is_told(page, service):
    service.gate.clear()
    async with bridge_process("--port", "0", "--service", service.target) as process:
        line = await process.stdout.readline()
        await page.open(line.decode().split()[-1])
        await page.until(".model-state", "Ready")
        await send(page)
        await page.until(ANSWER, "New")
        process.kill()
        await page.until(ENDING, "The answer broke off before its end")
    await send(page)
    await page.until(".turn:nth-child(4) .ending", "The bridge can't be reached")


async def test_a_page_that_is_loaded_anew_in_the_midst_of_an_answer_has_stopped_it(chat, service):
    service.gate.clear()
    await send(chat)
    await chat.until(ANSWER, "New")
    await chat.run("location.reload()")
    await service.cancelled.wait()
    await chat.until(ENDING, "Stopped.")
    assert await chat.texts(ANSWER) == ["New"]


CUT = {
    "text": """new Response('{"result": {"response": "New')""",
    "connection": "new Response(new ReadableStream({ start: (body) => body.error(new TypeError('network error')) }))",
}


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("has_logprobs", [False, True])
async def test_a_whole_answer_that_is_cut_is_told(chat, cut, has_logprobs):
    await chat.run(
        "const real = fetch;"
        f"window.fetch = async (path, asked) => (asked?.method === 'POST' ? {CUT[cut]} : real(path, asked))"
    )
    await chat.click('[name="stream"]')
    if has_logprobs:
        await chat.click('[name="logprobs"]')
    await send(chat)
    await chat.until(f"{ENDING} .failure", "The answer broke off before its end")
    await chat.until("#send")
