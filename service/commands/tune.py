"""Which ways to compute a model are quickest on this machine, tried anew for the services that start from now on."""

import subprocess
import sys
from collections.abc import Callable
from typing import Final

from service.engine_protocol.choices import Choices
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import receive, send
from service.engine_protocol.messages import Loading
from service.errors import ModelNotReadyError

_PROGRAM: Final = (sys.executable, "-m", "service.engine.process.tuning")


def tune_engine(config: EngineConfig, report: Callable[[int, int], None]) -> Choices:
    """Has a process of its own try the ways of an engine, and keep what is found.

    Args:
        config: The engine's.
        report: Is told how many ways are tried, and how many there are.

    Raises:
        ModelNotReadyError: The process ended without an answer; what it has written tells why.
    """
    with subprocess.Popen(_PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        send(process.stdin, config)  # type: ignore[arg-type]  # subprocess calls a pipe IO[bytes]
        while isinstance(message := receive(process.stdout), Loading):  # type: ignore[arg-type]  # as above
            report(message.done, message.total)
    if not isinstance(message, Choices):
        raise ModelNotReadyError(f"trying the ways of {config.checkpoint} ended with status {process.returncode}")
    return message
