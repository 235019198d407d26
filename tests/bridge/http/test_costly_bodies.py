"""Bodies that cost much where a server lets them: each is answered, and health checks beside eight of each at once."""

import asyncio
import io
import json

import pytest

from bench.serving.costly_bodies import batches, long_prompt, overfull, within_limits
from bridge.errors import AiError
from bridge.workers_ai.request import parse_run_body
from tests.support.fake_service import DEMO

BODIES = {"a prompt": long_prompt(), **dict(overfull()), **dict(within_limits())}
BATCHES = dict(batches())
STRESS = pytest.mark.stress


# Few values, though they are long.
FEW = ("a number", "escapes", "x: 99999999999999999999")


@pytest.mark.parametrize("name", [name for name, _ in overfull() if name not in FEW])
def test_too_many_values_are_told_before_any_is_made(name):
    with pytest.raises(AiError, match="more than 65536 JSON values"):
        parse_run_body("m", BODIES[name])


@pytest.mark.parametrize(
    "name", [name if "wrong" not in name else pytest.param(name, marks=STRESS) for name in BATCHES]
)
def test_a_costly_batch_is_refused(name):
    with pytest.raises(AiError):
        parse_run_body("m", BATCHES[name], is_queued=True)


@STRESS
@pytest.mark.parametrize("name", [*BODIES, *BATCHES])
async def test_eight_at_once_are_answered_and_so_are_health_checks(bridge, name):
    query = {"queueRequest": "true"} if name in BATCHES else {}
    body = BATCHES.get(name) or BODIES[name]
    path = f"/client/v4/accounts/acc/ai/run/{DEMO}"
    # aiohttp's client warns of large bytes.
    costly = [asyncio.create_task(bridge.ask("POST", path, data=io.BytesIO(body), params=query)) for _ in range(8)]
    while not all(task.done() for task in costly):
        assert (await bridge.ask("GET", "/healthz")).status == 200
    for answer in await asyncio.gather(*costly):
        assert answer.status == 200 or json.loads(answer.body)["errors"][0]["code"] in (3006, 5006)
