"""The bridge as a process: listens, says so, and ends when it is told to."""

import asyncio
import contextlib
import errno
import signal
from typing import Final

from aiohttp import web

from bridge.config import Config
from bridge.http.addresses import unix_path
from bridge.http.connection import Runner
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
    told_to_end = _signalled()
    runner = Runner(app, LAST_WORDS_S)
    await runner.setup()
    with contextlib.ExitStack() as sockets:
        try:
            await _listen(runner, config, sockets)
            print(f"bridge listening on {_url(runner, config)}", flush=True)
            await told_to_end.wait()
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, config: Config, sockets: contextlib.ExitStack) -> None:
    context = ServerContext(files) if (files := config.tls_files) else None
    if path := unix_path(config.host):
        await web.SockSite(runner, sockets.enter_context(bound(path)), ssl_context=context).start()
        return
    try:
        await web.TCPSite(runner, config.host, config.port, ssl_context=context).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = "end what listens there or choose another port with --port"
            raise ListenError(f"port {config.port} of {config.host} is in use: {advice}") from None
        advice = "choose another address with --host or --port"
        raise ListenError(f"can't listen on port {config.port} of {config.host}, {error.strerror}: {advice}") from None


def _url(runner: web.AppRunner, config: Config) -> str:
    if path := unix_path(config.host):
        return f"unix:{path}"
    scheme, port = "https" if config.tls_cert else "http", runner.addresses[0][1]
    return f"{scheme}://[{config.host}]:{port}" if ":" in config.host else f"{scheme}://{config.host}:{port}"


def _signalled() -> asyncio.Event:
    """An event that the signals which end a process set from now on."""
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    return signalled
