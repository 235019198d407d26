"""The command that tells whether a bridge that runs is alive: `python -m bridge health`."""

import asyncio
import ssl
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import click

from bridge.http.addresses import check_page
from transport.certificates import CertificateError, CertificateFiles, PemFile, identity_of, load_identity

TIMEOUT_S: Final = 4.0

_file = click.Path(path_type=Path)


@click.command(short_help="Tells whether a bridge that runs is alive.")
@click.option(
    "--url", envvar="RUNSTREAM_BRIDGE_URL", show_envvar=True, default="http://127.0.0.1:8080", show_default=True,
    help="The bridge.",
)  # fmt: skip
@click.option("--ready", is_flag=True, help="Asks whether the service behind it can answer, too.")
@click.option(
    "--ca", envvar="RUNSTREAM_BRIDGE_CA", show_envvar=True, type=_file,
    help="A PEM file with the certificates that the bridge's must come from.",
)  # fmt: skip
@click.option(
    "--cert", envvar="RUNSTREAM_BRIDGE_CERT", show_envvar=True, type=_file,
    help="A PEM file with the certificate to show it, for one with --tls-client-ca.",
)  # fmt: skip
@click.option(
    "--key", envvar="RUNSTREAM_BRIDGE_KEY", show_envvar=True, type=_file, help="A PEM file with its private key."
)
def health(url: str, ready: bool, ca: Path | None, cert: Path | None, key: Path | None) -> None:
    """Tells the health of a bridge that runs: exit status 0 if it is alive, else 1."""
    page = f"{url.rstrip('/')}/{'readyz' if ready else 'healthz'}"
    context = _context(ca, cert, key) if page.startswith("https://") else True
    try:
        check_page(page)
        status = asyncio.run(_ask(page, context))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        sys.exit(f"error: {page}: {error or type(error).__name__}")
    click.echo(f"{page}: {status}")
    sys.exit(0 if status == HTTPStatus.OK else 1)


async def _ask(page: str, context: ssl.SSLContext | bool) -> int:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(page, ssl=context) as answer:
        return answer.status


def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        identity = identity_of(cert, key, "-")
        if ca:
            CertificateFiles(identity, PemFile("--ca", ca)).read()
        context = ssl.create_default_context(cafile=ca)
        if identity:
            load_identity(context, identity)
    except CertificateError as error:
        raise click.ClickException(str(error)) from None
    return context
