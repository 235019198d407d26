"""Waits until service and bridge answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bridge.upstream.channel import open_channel
from scripts.progress import ProgressLine
from transport.certificates import CertificateFiles

POLL_S = 0.1
TRY_S = 1.0

# What gRPC says of a service that does not listen yet.
REFUSED: Final = "Connection refused"


async def service_is_serving(address: str, files: CertificateFiles | None, tell: Callable[[str], None]) -> None:
    """Returns once the service's health is SERVING; it may take as long as the weights take to load.

    Args:
        address: Its host and port.
        files: Those of TLS, as the bridge has them; None if it has no TLS.
        tell: Gets why the service can't be asked though it listens, each reason once.
    """
    told = set()
    async with open_channel(address, files.read() if files else None) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=TRY_S)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.aio.AioRpcError as error:
                trouble = _trouble(error, address, files)
                if trouble and trouble not in told:
                    told.add(trouble)
                    tell(trouble)
            await asyncio.sleep(POLL_S)


def _trouble(error: grpc.aio.AioRpcError, address: str, files: CertificateFiles | None) -> str:
    """What a failed try tells the user; empty for what passes by itself."""
    details = error.details() or ""
    if error.code() is not grpc.StatusCode.UNAVAILABLE or REFUSED in details:
        return ""
    host = address.rpartition(":")[0]
    advice = f"; its certificate must name {host} and come from {files.ca.path}" if files and files.ca else ""
    return f"the service can't be asked{advice}: {details}"


async def bridge_is_ready(url: str, socket: Path | None) -> None:
    """Returns once the bridge says that it is ready.

    Args:
        url: Where it is asked.
        socket: The Unix socket that it listens on; None for the address in the URL.
    """
    # Only whether it is ready is asked; nothing is told to who answers, so any certificate will do.
    connector = aiohttp.UnixConnector(str(socket)) if socket else None
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TRY_S)) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/readyz", ssl=False) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(POLL_S)


async def show_while(text: str, wait: Awaitable[None], progress: ProgressLine) -> None:
    """Shows what is being waited for until it has come."""
    waiting = asyncio.ensure_future(wait)
    try:
        while not waiting.done():
            progress.show(text)
            await asyncio.wait([waiting], timeout=0.5)
        await waiting
    finally:
        waiting.cancel()
        progress.clear()
