"""Bounds what gRPC writes to the log by itself."""

import logging


def quiet_grpc() -> None:
    """Keeps out the tracebacks with up to 16 KiB that a client chose, whenever metadata that is not UTF-8 is read."""
    logging.getLogger("grpc._cython.cygrpc").addFilter(
        lambda record: not record.getMessage().startswith("Invalid encoding")
    )
