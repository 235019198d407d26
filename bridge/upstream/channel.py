"""The channel to the model service: its options, and whom it trusts."""

import ssl
from pathlib import Path
from typing import Final

import grpc

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024

OPTIONS: Final = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A whole answer writes nothing while it is generated: pings tell a slow service from one that is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC would wait up to two minutes before it looks whether a service that was down is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # In spite of its name, how long an attempt to connect may take; a service that is down refuses at once.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # The service is a neighbour; http_proxy in the environment is meant for others.
    ("grpc.enable_http_proxy", 0),
)


def open_channel(target: str, ca: Path | None) -> grpc.aio.Channel:
    """Opens a channel, which the caller closes.

    Args:
        target: The service's gRPC target.
        ca: A PEM file with the certificates that the service's must come from; None for plain text.

    Raises:
        ValueError: The file holds no certificate.
    """
    if ca is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(_read(ca)), options=OPTIONS)


def _read(ca: Path) -> bytes:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=ca)
        return ca.read_bytes()
    except ssl.SSLError:
        raise ValueError(f"--service-ca {ca} holds no certificate in PEM") from None
    except OSError as error:
        raise ValueError(f"--service-ca {ca} can't be read: {error.strerror}") from None
