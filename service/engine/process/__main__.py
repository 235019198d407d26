"""An engine's own process: commands in on standard input, results out on standard output.

Runs as `python -m service.engine.process`. The end of standard input ends it. So no engine outlives its service,
whichever way that ended. It may be started before its configuration is there, which comes in the first message.
"""

import gc

if __name__ == "__main__":  # what is imported stays, and to look for garbage in it takes a tenth of the time
    gc.disable()

import contextlib
import signal
import sys

from service.engine.process.pipes import claim_pipes
from service.engine.process.quick_imports import compilers_left_out, import_quickly, import_the_rest
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import receive


def main() -> None:
    """Serves the checkpoint that the first message names."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback
    source, results = claim_pipes()
    import_quickly()
    config = receive(source)
    if config is None:  # the service ended first
        return
    if not isinstance(config, EngineConfig):
        sys.exit("the engine is started by the service, which sends its configuration first")
    if not (is_quick := _is_plain(config)):
        import_the_rest()
    with compilers_left_out() if is_quick else contextlib.nullcontext():
        from service.engine.process.worker import load

        gc.freeze()
        gc.enable()
        worker = load(config, source, results)
    if worker is not None:
        worker.serve_forever()


def _is_plain(config: EngineConfig) -> bool:
    """Tells if it runs on one CPU, and nothing is compiled."""
    import torch

    from service.engine.device import is_cpu

    return is_cpu(torch.device(config.device)) and not config.other_devices and not config.accelerations


if __name__ == "__main__":
    main()
