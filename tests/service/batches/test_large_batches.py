"""A batch that takes long to check is checked apart from requests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.batch_requests import batch_of, created
from tests.support.running_service import ask, config, run_service


async def test_a_large_batch_takes_no_thread_that_requests_share(catalog_file, tmp_path):
    settings = config(catalog_file, batch_db=str(tmp_path / "batches.sqlite"), load="on-use")
    is_let_go = threading.Event()
    with ThreadPoolExecutor(1) as shared:
        async with run_service(settings) as running:
            asyncio.get_running_loop().set_default_executor(shared)
            shared.submit(is_let_go.wait)
            try:
                async with asyncio.timeout(120):
                    batch = await created(running, batch_of([ask("x" * 70_000, max_tokens=1)]))
            finally:
                is_let_go.set()
    assert batch.num_items == 1
