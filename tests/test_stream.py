"""Text reaches the client while the engine still generates. No clock says so: the engine does."""

import json

import pytest

from tests.support.whole_chain import LONG, read_events

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_first_event_arrives_before_the_last_token_is_generated(chain):
    stream = await chain.begin(**LONG)
    assert chain.engine.num_running == 1
    stream.close()


async def test_events_arrive_one_by_one_while_the_engine_goes_on(chain):
    stream = await chain.begin(**LONG)
    for _ in range(30):
        event = await stream.content.readuntil(b"\n\n")
        assert json.loads(event.removeprefix(b"data: "))["response"]
        assert chain.engine.num_running == 1
    stream.close()


async def test_a_stream_is_made_of_many_events(chain):
    events = read_events((await chain.ask(**{**LONG, "max_tokens": 2000}, stream=True)).body)
    assert events.usage["completion_tokens"] == 2000
    assert len(events.texts) > 10
