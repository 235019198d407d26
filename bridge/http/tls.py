"""TLS on the bridge's port: certificates that are read again once they are renewed, a line for what fails."""

import logging
import ssl
from typing import Any, Final

from transport.certificates import CertificateError, CertificateFiles, load_identity

logger = logging.getLogger(__name__)

# What OpenSSL calls a request for a page in place of a handshake.
PLAIN_HTTP: Final = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})


class ServerContext(ssl.SSLContext):
    """The context that a server listens with. Before each handshake it looks whether its files are renewed.

    Args:
        files: Its certificate, and what those of clients must come from; without the latter clients need none.

    Raises:
        CertificateError: The files can't be used.
    """

    def __new__(cls, files: CertificateFiles) -> "ServerContext":
        """Makes one of the only kind that a server may have."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._today = _context(files)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """The TLS of a connection: asyncio asks for it as the connection is made."""
        if self._files.renewed() is not None:
            try:
                self._today = _context(self._files)
            except CertificateError as error:  # renewed once more since they were looked at
                logger.warning("the certificates before stay in use: %s", error)
        return self._today.wrap_bio(*args, **options)


class _Handshake(ssl.SSLObject):
    """The TLS of a connection, which asyncio would end without a word when its handshake fails."""

    def do_handshake(self) -> None:
        """Goes on with it."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _tell(error)
            raise


def _context(files: CertificateFiles) -> ssl.SSLContext:
    files.read()  # which says what is wrong with them
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _Handshake
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    assert files.identity is not None
    load_identity(context, files.identity)
    if files.ca:
        context.load_verify_locations(cafile=files.ca.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _tell(error: ssl.SSLError) -> None:
    """Writes a line, of which each kind of failure has a text of its own."""
    reason = error.reason or "UNKNOWN"
    if reason in PLAIN_HTTP:
        logger.warning("a client spoke HTTP without TLS: it has to ask https://")
        return
    why = getattr(error, "verify_message", "") or reason.replace("_", " ").lower()
    logger.warning("a TLS handshake failed: " + why)
