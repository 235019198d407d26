"""The channel to the model service: its options, and whom it trusts."""

import asyncio
from typing import Final

import grpc

from transport.certificates import CertificateFiles, Pem

Options = tuple[tuple[str, str | int], ...]

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024

OPTIONS: Final[Options] = (
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


class ServiceChannel:
    """The channel to the service. Once the files of TLS are renewed another takes its place, for new calls.

    Args:
        target: The service's gRPC target.
        files: The files of TLS; None for plain text.
        grace_s: How many seconds calls may go on over a channel that was replaced.
        options: More options of gRPC's.

    Raises:
        CertificateError: The files can't be used.
    """

    def __init__(self, target: str, files: CertificateFiles | None, grace_s: float, options: Options = ()) -> None:
        self._target = target
        self._options = options
        self._files = files
        self._grace_s = grace_s
        self._channel = open_channel(target, files.read() if files else None, options)
        self._replaced: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """The channel to make a call over."""
        renewed = self._files.renewed() if self._files else None
        if renewed is not None:
            closing = asyncio.get_running_loop().create_task(self._channel.close(self._grace_s))
            self._replaced.add(closing)
            closing.add_done_callback(self._replaced.discard)
            self._channel = open_channel(self._target, renewed, self._options)
        return self._channel

    async def aclose(self) -> None:
        """Ends all calls."""
        for closing in self._replaced:
            closing.cancel()
        await asyncio.gather(*self._replaced, return_exceptions=True)
        await self._channel.close()


def open_channel(target: str, pem: Pem | None, options: Options = ()) -> grpc.aio.Channel:
    """Opens a channel, which the caller closes.

    Args:
        target: The service's gRPC target.
        pem: What the service's certificate must come from, and what is shown to it; None for plain text.
        options: More options of gRPC's.
    """
    options = (*OPTIONS, *options)
    if pem is None:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(pem.ca, pem.key, pem.chain)
    return grpc.aio.secure_channel(target, credentials, options=options)
