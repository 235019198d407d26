"""An engine's own process: commands in on standard input, results out on standard output.

Runs as `python -m service.engine.process`. The end of standard input ends it. So no engine outlives its service,
whichever way that ended.
"""

import contextlib
import signal
import sys

import torch

from service.engine.device import is_cpu
from service.engine.process.pipes import claim_pipes
from service.engine.process.quick_imports import compilers_left_out
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import receive


def main() -> None:
    """Serves the checkpoint that the first message names."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback
    source, results = claim_pipes()
    config = receive(source)
    if not isinstance(config, EngineConfig):
        sys.exit("the engine is started by the service, which sends its configuration first")
    runs_on_one_cpu = is_cpu(torch.device(config.device)) and not config.other_devices
    with compilers_left_out() if runs_on_one_cpu else contextlib.nullcontext():
        from service.engine.process.worker import load

        worker = load(config, source, results)
    if worker is not None:
        worker.serve_forever()


if __name__ == "__main__":
    main()
