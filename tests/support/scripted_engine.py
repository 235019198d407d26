"""The engine that computes nothing, for tests of what is around an engine: it starts in a tenth of a second."""

import shlex
import sys


def scripted_engine(tokens_per_s: int = 0) -> tuple[str, ...]:
    """The command that starts it, for `engine_command`.

    Args:
        tokens_per_s: How many tokens all its sequences get together each second; 0 for all it can.
    """
    return (sys.executable, "-m", "bench.serving.scripted_engine", "--tokens-per-s", str(tokens_per_s))


def scripted_engine_option(tokens_per_s: int = 0) -> tuple[str, str]:
    """The flag of `python -m service` that takes it."""
    return "--engine-command", shlex.join(scripted_engine(tokens_per_s))


def scripted_engine_variable(tokens_per_s: int = 0) -> dict[str, str]:
    """The variable that a service started by something else finds it by."""
    return {"RUNSTREAM_SERVICE_ENGINE_COMMAND": shlex.join(scripted_engine(tokens_per_s))}
