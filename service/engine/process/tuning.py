"""Tries the ways of an engine anew: its config in on standard input, progress and then its choices out.

Runs as `python -m service.engine.process.tuning`.
"""

import logging
import signal
import sys

from logs.writing import write_log
from service.engine.process.pipes import claim_pipes
from service.engine.process.setup import num_threads
from service.engine.progress import progress_told
from service.engine.trials.choose import choices_for
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import receive, send
from service.engine_protocol.messages import Loading


def main() -> None:
    """Makes the choices of the engine that the first message describes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback
    source, results = claim_pipes()
    config = receive(source)
    if not isinstance(config, EngineConfig):
        sys.exit("it is started by `python -m service tune`, which sends an engine's configuration first")
    write_log("engine", logging.WARNING, config.log_format, has_texts=False)
    with progress_told(lambda what, done, total: send(results, Loading(what, done, total, is_bytes=False))):
        send(results, choices_for(config, num_threads(config), again=True))


if __name__ == "__main__":
    main()
