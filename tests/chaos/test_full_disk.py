"""Batches on a disk that is really full: a small file system of memory in a mount namespace of the service's own."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest
from runstream.v1 import batches_pb2

from tests.support.batch_requests import PATIENCE_S, batch_now, batch_of, created, done, results_of
from tests.support.chaos_load import DEMO
from tests.support.ports import unused_ports
from tests.support.processes import read_until
from tests.support.running_service import Stubs, ask, error_info
from tests.support.running_stack import ROOT

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'


def can_mount():
    """Whether this user may have a small file system."""
    if not shutil.which("unshare"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run([*NAMESPACE, "sh", "-c", MOUNT, folder, "true"], capture_output=True, check=False)
    return tried.returncode == 0


@contextlib.contextmanager
def service_on_a_small_disk(folder, log):
    """A service whose batches are on a disk of 1 MiB; gives its address and that disk as others see it."""
    (port,) = unused_ports(1)
    options = ("--port", port, "--metrics-port", 0, "--models", DEMO, "--batch-db", folder / "batches.sqlite")
    command = [*NAMESPACE, "sh", "-c", MOUNT, folder, sys.executable, "-m", "service", *options]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        read_until("service listening", process.stdout)
        yield f"127.0.0.1:{port}", Path(f"/proc/{process.pid}/root{folder}")
    finally:
        process.terminate()
        process.communicate()


def fill(disk):
    """Takes all the room that there is."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass
    return filler


async def until_running(stubs, batch_id):
    """Waits until an item of a batch has begun."""
    async with asyncio.timeout(PATIENCE_S):
        while (await batch_now(stubs, batch_id)).state == batches_pb2.BATCH_STATE_QUEUED:
            pass


@pytest.mark.skipif(not can_mount(), reason="no small file system can be mounted here: a full disk is NOT tested")
async def test_batches_wait_for_room_and_all_else_goes_on(tmp_path):
    with (
        (tmp_path / "log").open("w+") as log,
        service_on_a_small_disk(tmp_path, log) as (address, disk),
    ):
        async with grpc.aio.insecure_channel(address) as channel:
            stubs = Stubs(channel)
            items = [ask("Where is New York?", DEMO, max_tokens=tokens, ignore_eos=True) for tokens in (300, 300, 2)]
            batch = await created(stubs, batch_of(items, model=DEMO))
            await until_running(stubs, batch.id)
            filler = fill(disk)
            large = [ask("x" * 1000, DEMO)] * 500
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await created(stubs, batch_of(large, model=DEMO))
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "can't keep batches now: its disk fails" in (refused.value.details() or "")
            assert error_info(refused.value).reason == "MODEL_NOT_READY"
            assert (await stubs.text_generation.Run(items[2])).usage.completion_tokens == 2
            filler.unlink()
            assert (await done(stubs, batch.id)).num_succeeded == 3
            results = await results_of(stubs, batch.id)
            assert [result.response.usage.completion_tokens for result in results] == [300, 300, 2]
        log.seek(0)
        said = log.read()
        assert "Traceback" not in said
        assert 1 <= said.count("batches can't be kept: ") <= 3, "a line for each kind of error"
