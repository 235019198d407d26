"""What a batch outlives: a restart, a killed service, a killed engine, an engine that is busy. And what it does not."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.batches import Batches
from service.batches.store import BatchStore
from service.config import ConfigError
from service.errors import BatchNotFoundError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.server import Service
from tests.support.batch_requests import ACCOUNT, batch_now, batch_of, created, done, results_of
from tests.support.engine_states import until
from tests.support.running_service import MODEL, Stubs, ask, config, run_service
from tests.support.scripted_engine import scripted_engine, scripted_engine_option
from tests.support.whole_chain import POISON

ENGINE = scripted_engine(2000)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def settings(catalog_file, tmp_path):
    """Those of a service that keeps batches; its engine takes a second for 2000 tokens."""
    return config(catalog_file, batch_db=str(tmp_path / "batches.sqlite"), engine_command=ENGINE)


async def test_a_restart_keeps_results_and_goes_on_with_the_rest(settings):
    async with run_service(settings) as running:
        short = await created(running, batch_of([ask(max_tokens=2)]))
        await done(running, short.id)
        kept = await results_of(running, short.id)
        long = await created(running, batch_of([ask(max_tokens=n) for n in (1, 400, 400)]))
        while not (await batch_now(running, long.id)).num_succeeded:
            pass
        before = await results_of(running, long.id)
    async with run_service(settings) as running:
        assert await results_of(running, short.id) == kept
        assert (await done(running, long.id)).num_succeeded == 3
        results = await results_of(running, long.id)
    assert [result.response.usage.completion_tokens for result in results] == [1, 400, 400]
    assert results[: len(before)] == before


async def test_a_service_that_is_killed_finds_its_batches_again(settings, catalog_file):
    options = ("--port", 0, "--metrics-port", 0, "--catalog", catalog_file, "--models", MODEL)
    kept = ("--batch-db", settings.batch_db, *scripted_engine_option(2000))
    command = [sys.executable, "-m", "service", *map(str, options), *kept]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    address = (await process.stdout.readline()).decode().split()[-1]
    async with grpc.aio.insecure_channel(address) as channel:
        request = batch_of([ask(max_tokens=300)] * 20)
        batch = (await Stubs(channel).batches.CreateBatch(request)).batch
        process.kill()
    await process.communicate()
    async with run_service(settings) as running:
        assert (await done(running, batch.id)).num_succeeded == 20


async def test_a_second_service_on_the_same_file_does_not_start(settings):
    async with run_service(settings):
        with pytest.raises(ConfigError, match="is in use by another service"):
            await Service(settings, report=print).start()


async def test_a_killed_engine_fails_no_item(settings):
    async with run_service(settings) as running:
        batch = await created(running, batch_of([ask(max_tokens=800)] * 3))
        await until(running.engine, lambda: running.engine.num_running == 3)
        os.kill(running.engine_pid, signal.SIGKILL)
        ended = await done(running, batch.id)
        assert (ended.num_succeeded, ended.num_failed) == (3, 0)


async def test_items_that_find_no_room_are_tried_until_they_do(settings):
    full = replace(settings, max_waiting=1, max_num_seqs=2)
    async with run_service(full) as running:
        online = [running.text_generation.RunStream(ask(max_tokens=20_000)) for _ in range(3)]
        await until(running.engine, lambda: running.engine.num_running == 2)
        batch = await created(running, batch_of([ask(max_tokens=2)] * 4))
        while (await batch_now(running, batch.id)).state != batches_pb2.BATCH_STATE_RUNNING:
            pass
        for call in online:
            call.cancel()
        assert (await done(running, batch.id)).num_succeeded == 4


async def test_an_item_with_which_the_engine_fails_again_alone_has_failed_and_no_other_has(chain_catalog, tmp_path):
    poisoned = pb.RunRequest(prompt=pb.Prompt(text=POISON, raw=True))
    async with run_service(config(chain_catalog, batch_db=str(tmp_path / "batches.sqlite"))) as running:
        batch = await created(running, batch_of([ask(max_tokens=20), poisoned, ask(max_tokens=20)]))
        ended = await done(running, batch.id)
        _, failed, _ = await results_of(running, batch.id)
    assert (ended.num_succeeded, ended.num_failed) == (2, 1)
    assert failed.failure.reason == "ENGINE_FAILED"


async def test_a_drain_lets_running_items_end_while_calls_do_and_starts_no_others(settings):
    async with run_service(replace(settings, max_num_seqs=3)) as running:
        online = asyncio.ensure_future(running.text_generation.Run(ask(max_tokens=1200)))
        await until(running.engine, lambda: running.engine.num_running == 1)
        await created(running, batch_of([ask(max_tokens=500)] * 7))
        await until(running.engine, lambda: running.engine.num_running + running.engine.num_waiting == 4)
        await running.service.stop(drain_timeout_s=60.0)
        assert (await online).usage.completion_tokens == 1200
    store = BatchStore(Path(settings.batch_db), ttl_s=60.0)
    assert store.num_waiting == 4
    store.close()


async def test_a_batch_is_forgotten_when_its_time_is_up(settings, tmp_path):
    now = 1_000_000.0
    async with run_service(settings) as running:
        models, metrics = running.service.models, Metrics()
        batches = Batches(models, TextGenerator(models, metrics), metrics, ttl_s=60.0, clock=lambda: now)
        batches.open(tmp_path / "others.sqlite")
        batches.start()
        batch = await batches.create(batch_of([ask(max_tokens=1)]))
        while batch.state != batches_pb2.BATCH_STATE_DONE:
            batch = await batches.get(ACCOUNT, batch.id)
        assert batch.expire_time.seconds == now + 60
        now += 60.0
        with pytest.raises(BatchNotFoundError):
            await batches.get(ACCOUNT, batch.id)
        await batches.stop()
