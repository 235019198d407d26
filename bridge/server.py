"""The bridge as a process: listens, says so, and ends when it is told to."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from bridge.config import CONFIG, Config
from bridge.http.addresses import unix_path
from bridge.http.connection import Runner
from bridge.http.listening import Site, bind
from bridge.http.tls import ServerContext
from bridge.http.unix_socket import ListenError, bound

# How long answers may take to write their last error, once the grace is over.
LAST_WORDS_S: Final = 1.0


async def serve(app: web.Application, config: Config) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ListenError: The address can't be listened on.
        CertificateError: TLS can't use its files.
    """
    told_to_end = signalled()
    runner = Runner(app, LAST_WORDS_S)
    await runner.setup()
    with contextlib.ExitStack() as sockets:
        try:
            await _listen(runner, config, sockets)
            print(f"bridge listening on {url_of(config, _port(runner))}", flush=True)
            await told_to_end.wait()
        finally:
            await runner.cleanup()


async def serve_on(app: web.Application, listening: Sequence[socket.socket], tell_ready: Callable[[], None]) -> None:
    """Serves on sockets that are bound, until SIGTERM or SIGINT; `tell_ready` is called once they are listened on.

    Raises:
        CertificateError: TLS can't use its files.
    """
    told_to_end = signalled()
    runner = Runner(app, LAST_WORDS_S)
    await runner.setup()
    try:
        context = _tls_of(app[CONFIG])
        for each in listening:
            await Site(runner, [each], context).start()
        tell_ready()
        await told_to_end.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: Runner, config: Config, sockets: contextlib.ExitStack) -> None:
    context = _tls_of(config)
    if path := unix_path(config.host):
        await Site(runner, [sockets.enter_context(bound(path))], context).start()
        return
    try:
        await Site(runner, await bind(config.host, config.port), context).start()
    except OSError as error:
        raise to_listen_error(error, config) from None


def _tls_of(config: Config) -> ServerContext | None:
    return ServerContext(files) if (files := config.tls_files) else None


def to_listen_error(error: OSError, config: Config) -> ListenError:
    """Tells what to do when a port can't be listened on."""
    if error.errno == errno.EADDRINUSE:
        advice = "end what listens there or choose another port with --port"
        return ListenError(f"port {config.port} of {config.host} is in use: {advice}")
    advice = "choose another address with --host or --port"
    return ListenError(f"can't listen on port {config.port} of {config.host}, {error.strerror}: {advice}")


def url_of(config: Config, port: int) -> str:
    """The address of the bridge, as its first line tells it; a Unix socket has no port."""
    if path := unix_path(config.host):
        return f"unix:{path}"
    scheme = "https" if config.tls_cert else "http"
    return f"{scheme}://[{config.host}]:{port}" if ":" in config.host else f"{scheme}://{config.host}:{port}"


def _port(runner: web.AppRunner) -> int:
    address = runner.addresses[0]
    return int(address[1]) if isinstance(address, tuple) else 0


def signalled() -> asyncio.Event:
    """An event that the signals which end a process set from now on."""
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    return signalled
