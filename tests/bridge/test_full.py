"""A service without room, as the clients of the bridge see it: they hear so at once, whole, and come in again."""

import asyncio
import json
import shutil

import grpc
import pytest

from tests.support.fake_service import failure
from tests.support.running_bridge import PROMPT

FULL = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "8 wait", retry_after_s=30)
LARGE = json.dumps({"prompt": "word " * 200_000}).encode()


async def test_after_one_refusal_others_are_refused_without_a_call(bridge, service):
    service.status = FULL
    answers = [await bridge.run(PROMPT) for _ in range(5)]
    assert {answer.error[:2] for answer in answers} == {(429, 3040)}
    assert all(29 <= int(answer.headers["Retry-After"]) <= 30 for answer in answers)
    assert len(service.requests) <= 2  # the second may be a probe


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/ai/run"])
async def test_each_face_refuses_without_a_call(bridge, service, path):
    service.status, service.parts = FULL, []  # a stream that is let through as a probe is refused, too
    inputs = {"chat": ("messages", [{"role": "user", "content": "hi"}]), "responses": ("input", "hi")}
    name, value = next((given for kind, given in inputs.items() if kind in path), ("prompt", "hi"))
    body = {"model": "@runstream/demo", name: value}
    ask = bridge.run(PROMPT) if path == "/ai/run" else bridge.ask("POST", path, json=body)
    assert (await ask).status == 429
    num_calls = len(service.requests)
    again = [
        bridge.run(PROMPT) if path == "/ai/run" else bridge.ask("POST", path, json={**body, "stream": True})
        for _ in range(8)
    ]
    assert {answer.status for answer in await asyncio.gather(*again)} == {429}
    assert len(service.requests) <= num_calls + 2


async def test_a_large_body_is_refused_unread_and_its_client_gets_the_whole_answer(bridge, service):
    service.status = FULL
    await bridge.run(PROMPT)
    answers = await asyncio.gather(*(bridge.run(LARGE) for _ in range(8)))
    assert {answer.error[:2] for answer in answers} == {(429, 3040)}
    assert len(service.requests) <= 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_gets_the_refusal_of_a_large_body(bridge, service, tmp_path):
    service.status = FULL
    await bridge.run(PROMPT)
    (tmp_path / "body").write_bytes(LARGE)
    command = ["curl", "-sS", "-w", "%{http_code}", "-o", "/dev/null", "--data-binary", f"@{tmp_path}/body"]
    for expect in ("Expect:", "Expect: 100-continue"):
        process = await asyncio.create_subprocess_exec(
            *command, "-H", expect, bridge.run_url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, complaint = await process.communicate()
        assert (process.returncode, out, complaint) == (0, b"429", b"")


async def test_a_batch_is_asked_for_while_there_is_no_room(bridge, service):
    service.status = FULL
    await bridge.run(PROMPT)
    service.status = None
    answer = await bridge.run({"request_id": "batch-1"})
    assert answer.status == 200
    assert service.sought.batch_id == "batch-1"


async def test_when_an_answer_ends_the_next_request_is_let_through(bridge, service):
    service.gate.clear()
    running = asyncio.create_task(bridge.run(PROMPT))
    await service.started.wait()
    service.status = FULL
    service.gate.set()
    assert (await running).status == 429
    service.status = None
    statuses = []
    while 200 not in statuses:  # a probe, at the latest
        statuses.append((await bridge.run(PROMPT)).status)
    assert [(await bridge.run(PROMPT)).status for _ in range(3)] == [200] * 3
