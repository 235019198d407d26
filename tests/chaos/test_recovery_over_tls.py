"""The service is killed under the bridge, with TLS between the two: the bridge finds the next one by itself."""

import asyncio

import pytest

from tests.support.certificates import write_certificates
from tests.support.chaos_load import ANSWERED, PATIENCE_S, TOLD, asking
from tests.support.separate_stack import separate_stack


async def until_answered(asker):
    """Asks until there is an answer again."""
    async with asyncio.timeout(PATIENCE_S):
        while (end := await asker.native(0, 5)).kind != ANSWERED:
            pass
    return end


@pytest.mark.stress
async def test_the_bridge_finds_the_next_service_by_itself(tmp_path):
    files = write_certificates(tmp_path)
    secured = {"RUNSTREAM_SERVICE_TLS_CERT": str(files.cert), "RUNSTREAM_SERVICE_TLS_KEY": str(files.key)}
    with separate_stack() as stack:
        stack.start_service(**secured)
        stack.start_bridge(RUNSTREAM_BRIDGE_SERVICE_CA=str(files.ca))
        async with asking(stack) as asker:
            before = await until_answered(asker)
            asker.num_begun = 0
            stream = asyncio.create_task(asker.native_stream(0, 300))
            await asker.until_begun(1)
            stack.kill("service")
            assert (await stream).kind == TOLD
            assert (await asker.native(0, 5)).text.startswith("503 2: ")
            await asyncio.to_thread(stack.start_service, **secured)
            assert await until_answered(asker) == before
