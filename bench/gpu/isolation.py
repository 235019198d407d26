"""Runs each part in a process of its own: what crashes, hangs or takes all memory there costs only its own rows."""

import contextlib
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from typing import Protocol, TypeVar

import torch
from transformers.utils import logging as transformers_logging

_IMPORTED_BEFORE = ["torch", "transformers.models.llama.modeling_llama", "bench.gpu.jobs"]
"""By the process that all others are forked from, which starts CUDA in none of them."""

Result = TypeVar("Result", covariant=True)


class Job(Protocol[Result]):
    """What can run in a process of its own; pickled on its way there.

    Attributes:
        limit_s: When its process is killed.
    """

    @property
    def limit_s(self) -> float: ...

    def run(self) -> Iterator[Result]:
        """Gives results one by one."""
        ...


class JobError(RuntimeError):
    """A job ended before its time; the message says how."""


def run_isolated(job: Job[Result], left_s: float = math.inf) -> Generator[Result, None, None]:
    """Gives a job's results as they come.

    Args:
        job: The job.
        left_s: When its process is killed, if its own limit is later.

    Raises:
        JobError: It raised, crashed or took too long.
    """
    # PyTorch asks the driver otherwise, and what is forked after that can't use CUDA.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_BEFORE)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_results, args=(job, theirs))
    process.start()
    theirs.close()
    try:
        limit_s = min(job.limit_s, left_s)
        yield from _received(ours, time.monotonic() + limit_s, limit_s)
        process.join()
        if process.exitcode:
            raise JobError(f"its process ended with {process.exitcode}")
    finally:
        process.kill()
        # What it has started, such as a service, is in its group.
        assert process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        ours.close()


def _received(connection: Connection, deadline_s: float, limit_s: float) -> Iterator[Result]:
    while True:
        if not connection.poll(max(0.0, deadline_s - time.monotonic())):
            raise JobError(f"it was stopped after {limit_s:.0f} s")
        try:
            result = connection.recv()
        except EOFError:
            return
        if isinstance(result, JobError):
            raise result
        yield result


def _send_results(job: Job[Result], connection: Connection) -> None:
    os.setsid()
    # Beside a GPU one thread is enough, and on a shared CPU more of them wait for each other.
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        for result in job.run():
            connection.send(result)
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        connection.send(JobError(f"{type(error).__name__}: {first_line[:200]}"))
