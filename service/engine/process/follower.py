"""A rank of a tensor-parallel model other than the first, which starts it.

Runs as `python -m service.engine.process.follower`.
"""

import logging
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

import torch
from transformers.utils import logging as transformers_logging

from logs.writing import write_log
from service.engine.forward.model_runner import ModelRunner
from service.engine.process.pipes import claim_pipes
from service.engine.process.rank_steps import StepItem, StepReader
from service.engine.process.ranks import Join, load_shard
from service.engine.process.setup import LOAD_ERRORS, load_failure, num_threads
from service.engine_protocol.framing import receive, send

_log = logging.getLogger(__name__)


def main() -> None:
    """Loads the shard that the first message names, and computes along in each step that rank 0 tells."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback
    source, results = claim_pipes()
    join = receive(source)
    if not isinstance(join, Join):
        sys.exit("a rank is started by rank 0, which tells it what to join")
    write_log("engine", logging.WARNING, join.config.log_format, has_texts=False)
    steps: queue.SimpleQueue[list[StepItem]] = queue.SimpleQueue()
    threading.Thread(target=_read_steps, args=(source, steps), daemon=True).start()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(num_threads(join.config))
    try:
        runner = load_shard(join, lambda progress: None).runner
    except LOAD_ERRORS as error:
        send(results, load_failure(error, join.config))
        threading.Event().wait()  # rank 0 tells it and ends, and with it this process
    _run_steps(runner, steps)


def _run_steps(runner: ModelRunner, steps: "queue.SimpleQueue[list[StepItem]]") -> None:
    reader = StepReader()
    try:
        while True:
            runner.logits(reader.read(steps.get()))
    except Exception:
        _log.exception("a step failed on a rank")
        os._exit(1)  # not an ordinary end, which could wait for ever for the other ranks


def _read_steps(source: BinaryIO, steps: "queue.SimpleQueue[list[StepItem]]") -> None:
    while (step := receive(source)) is not None:
        steps.put(step)
    os._exit(0)


if __name__ == "__main__":
    main()
