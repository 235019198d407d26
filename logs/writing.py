"""Has the log of a process written."""

import logging
import sys
import threading
from typing import Final

from logs.floods import OneOfAKind
from logs.formatters import ClippingFormatter, JsonFormatter

LOG_FORMATS: Final = ("text", "json")


def write_log(process: str, level: int | str, log_format: str, *, has_texts: bool = True) -> logging.Handler:
    """Writes log lines to standard error, and what ends a thread or the process as one of them.

    Args:
        process: What kind of process it is.
        level: The least severe records.
        log_format: One of `LOG_FORMATS`.
        has_texts: See `ClippingFormatter`.

    Returns:
        What writes them.
    """
    handler = logging.StreamHandler()
    text = ClippingFormatter(f"%(asctime)s {process} %(levelname)s %(name)s %(message)s", has_texts=has_texts)
    handler.setFormatter(JsonFormatter(process, has_texts=has_texts) if log_format == "json" else text)
    handler.addFilter(OneOfAKind())
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, error, trace: _log_uncaught(kind, error)
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value)
    return handler


def _log_uncaught(kind: type[BaseException], error: BaseException | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger().critical("uncaught", exc_info=error)
