"""Streams whose parts gather several tokens."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb

from service.output.completion import join
from tests.support.running_service import RunningService, ask, config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gathering(catalog_file) -> AsyncIterator[RunningService]:
    async with run_service(config(catalog_file, stream_interval=8)) as service:
        yield service


def asked() -> pb.RunRequest:
    request = ask(max_tokens=800, top_logprobs=1)
    request.stop_sequences.append("no text has this")
    return request


async def parts_of(service: RunningService, request: pb.RunRequest) -> list[pb.RunStreamResponse]:
    return [part async for part in service.text_generation.RunStream(request)]


def fewest_tokens(parts: list[pb.RunStreamResponse]) -> int:
    """Those of the smallest part but the first and the last, which wait for no others."""
    return min(len(part.logprobs) for part in parts[1:-1])


async def test_gathered_parts_join_to_what_single_ones_do(gathering, running):
    gathered, single = await parts_of(gathering, asked()), await parts_of(running, asked())
    assert fewest_tokens(single) < 8 <= fewest_tokens(gathered)
    ours, theirs = join(gathered), join(single)
    ours.ClearField("id")
    theirs.ClearField("id")
    ours.usage.ClearField("cached_prompt_tokens")
    theirs.usage.ClearField("cached_prompt_tokens")
    assert ours == theirs


async def test_a_stream_that_is_left_between_two_parts_frees_its_blocks(gathering):
    call = gathering.text_generation.RunStream(ask(max_tokens=20_000))
    await call.read()
    call.cancel()
    assert await gathering.is_idle()
