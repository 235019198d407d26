"""Services of TLS and of plain text, and the mistakes with which a client may call them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.support.certificates import Certificates, write_certificates
from tests.support.fake_service import FakeService, running


@dataclass(frozen=True)
class Mistake:
    """A service, and what a client gives that does not fit it.

    Attributes:
        target: Where the service is.
        ca: The authority that the client trusts; None for a client without TLS.
    """

    target: str
    ca: Path | None


MISTAKES = ("no TLS given", "TLS given", "other host", "unknown authority")


@asynccontextmanager
async def mistakes(folder: Path) -> AsyncIterator[dict[str, Mistake]]:
    """Runs the services; each of `MISTAKES` with one."""
    for name in ("here", "elsewhere"):
        (folder / name).mkdir()
    here = write_certificates(folder / "here")
    elsewhere = write_certificates(folder / "elsewhere", ("elsewhere.example",))
    plain, tls, other = FakeService(), FakeService(), FakeService()
    async with (
        running(plain),
        running(tls, credentials=_credentials(here)),
        running(other, credentials=_credentials(elsewhere)),
    ):
        made = (
            Mistake(tls.target, None),
            Mistake(plain.target, here.ca),
            Mistake(other.target, elsewhere.ca),
            Mistake(tls.target, elsewhere.ca),
        )
        yield dict(zip(MISTAKES, made, strict=True))


def _credentials(files: Certificates) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])
