"""How the command ends: its exit codes, and an error as one line on stderr that says what to change."""

import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import click

from runstream import errors
from runstream.connection_failures import Mistake, mistake
from runstream.terminal.escapes import one_line

FAILED: Final = 1
"""The service failed, or items of a batch did."""
USAGE: Final = 2
"""The command line, a file that it names or what is typed is wrong."""
REFUSED: Final = 3
"""The service refuses the request; the same one would be refused again."""
UNAVAILABLE: Final = 4
"""No answer now: nobody answers, the queue is full, the model is being loaded, the time is up."""
CUT: Final = 5
"""The answer was cut at its most tokens."""
UNREAD: Final = 128 + signal.SIGPIPE
"""Nobody reads any more what is written."""

_UNAVAILABLE: Final = (
    errors.UnreachableError,
    errors.QueueFullError,
    errors.RateLimitedError,
    errors.ModelNotReadyError,
    errors.DeadlineExceededError,
    errors.CallCancelledError,
)
_FAILED: Final = (errors.EngineFailedError, errors.InternalError)
_HINTS: Final = (
    (errors.UnauthenticatedError, "give RUNSTREAM_TOKEN or --token-file"),
    (errors.ModelNotFoundError, "`runstream models` lists what there is"),
    (errors.DeadlineExceededError, "give --timeout more seconds, or ask for fewer tokens"),
)
_ADVICE: Final[Mapping[Mistake, str]] = {
    "no TLS given": "does the service speak TLS? give --tls or --ca, or an https:// --url; --cert if it asks for one",
    "TLS given": "it speaks no TLS there: leave out --tls and --ca, or give an http:// --url",
    "other host": "its certificate is for other hosts: give --target or --url as it names them",
    "unknown authority": "its certificate is of no authority that is trusted: give that authority's as --ca",
}


class Failure(click.ClickException):
    """An end of the command that is not the wanted one.

    Args:
        message: What is wrong and what to change.
        code: The exit code, one of this module's.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(one_line(message))
        self.code = code


def exit_code(error: errors.RunstreamError) -> int:
    """The exit code of a call's failure."""
    if isinstance(error, _UNAVAILABLE):
        return UNAVAILABLE
    if isinstance(error, _FAILED) or type(error) is errors.RunstreamError:
        return FAILED
    return REFUSED


def described(error: errors.RunstreamError, place: str) -> str:
    """What to tell of a call's failure, on one line.

    Args:
        place: The address that was asked.
    """
    if isinstance(error, errors.UnreachableError):
        return one_line(f"{_unreachable(error, place)}: {error.details}")
    hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
    wait = f"ask again in {error.retry_after_s:g} s" if error.retry_after_s else ""
    # The metadata names the field, where the message does not.
    field = error.field if error.field not in error.message else ""
    told = ": ".join(part for part in (field, error.message) if part)
    return one_line("; ".join(part for part in (told, hint, wait) if part))


def _unreachable(error: errors.UnreachableError, place: str) -> str:
    found = mistake(error.details)
    if place.startswith("http://") and error.details == "Server disconnected":
        found = "no TLS given"
    is_cut = re.search(r"reset by peer|Server disconnected|CERTIFICATE_REQUIRED", error.details)
    if place.startswith("https://") and not found and is_cut:
        return f"no connection to {place}, does it ask for a certificate? give --cert and --key"
    if found is None:
        return f"no answer from {place}, start the service or give another --target or --url"
    return f"no connection to {place}, {_ADVICE[found]}"


@contextmanager
def failures(place: str) -> Iterator[None]:
    """Turns the failure of a call into the end of the command."""
    try:
        yield
    except errors.RunstreamError as error:
        raise Failure(described(error, place), exit_code(error)) from None
    except (TypeError, ValueError) as error:
        # What the client refuses before it asks.
        raise Failure(str(error)) from None
