"""The PEM files of one end of TLS: checked with a message that helps, and read again once they are renewed."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger(__name__)

# OpenSSL's reasons where it finds no key. Of "PEM lib", which wraps others, Python gives none.
_UNREADABLE = (None, "PEM_LIB", "NO_START_LINE")

# Of another certificate of the same kind, and of one of another kind.
_MISMATCH = ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED")

# What changes of a file that is written anew, or that another one takes the place of.
_Stamp = tuple[int, int, int]


class CertificateError(ValueError):
    """TLS can't use the files; the message names the flag and the file, and says what is wrong."""


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file and the flag that names it, for the messages."""

    flag: str
    path: Path

    def __str__(self) -> str:
        return f"{self.flag} {self.path}"

    def read(self) -> bytes:
        """What it holds.

        Raises:
            CertificateError: It can't be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{self} can't be read: {error.strerror}") from None

    def stamp(self) -> _Stamp | None:
        """What tells it from the file that takes its place; None if there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of a certificate and its private key.

    Attributes:
        cert: The certificate of this end, then those between it and one that the other end trusts.
        key: Its private key, without a password.
    """

    cert: PemFile
    key: PemFile


@dataclass(frozen=True, slots=True)
class Pem:
    """What the files of one end hold; None for what it has no file of.

    Attributes:
        chain: The certificate that it shows.
        key: Its private key.
        ca: What the other end's certificate must come from.
    """

    chain: bytes | None
    key: bytes | None
    ca: bytes | None


class CertificateFiles:
    """The files of one end of TLS.

    Args:
        identity: What it shows; None for a client that shows nothing.
        ca: The certificates that the other end's must come from; None for a server that asks for none.
    """

    def __init__(self, identity: Identity | None, ca: PemFile | None) -> None:
        self.identity = identity
        self.ca = ca
        self._files = [*([identity.cert, identity.key] if identity else []), *([ca] if ca else [])]
        self._stamps = self._read_stamps()

    def read(self) -> Pem:
        """What the files hold now.

        Raises:
            CertificateError: TLS can't use them.
        """
        ca = read_certificates(self.ca) if self.ca else None
        if self.identity is None:
            return Pem(None, None, ca)
        chain, key = read_certificates(self.identity.cert), self.identity.key.read()
        # gRPC would say no more than that something is wrong.
        load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.identity)
        return Pem(chain, key, ca)

    def renewed(self) -> Pem | None:
        """What the files hold now, None if that is nothing new or can't be used: then the old ones stay."""
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            renewed = self.read()
        except CertificateError as error:
            _logger.warning("the certificates before stay in use: %s", error)
            return None
        _logger.info("the certificates are read again: %s", ", ".join(map(str, self._files)))
        return renewed

    def _read_stamps(self) -> list[_Stamp | None]:
        return [file.stamp() for file in self._files]


def identity_of(cert: Path | None, key: Path | None, prefix: str) -> Identity | None:
    """The files that a command line names, None if it names none.

    Args:
        prefix: What the two flags begin with, such as "--tls".

    Raises:
        CertificateError: It names only one of them.
    """
    if cert and key:
        return Identity(PemFile(f"{prefix}-cert", cert), PemFile(f"{prefix}-key", key))
    if cert or key:
        raise CertificateError(f"{prefix}-cert and {prefix}-key belong together: give both, or neither")
    return None


def server_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> CertificateFiles | None:
    """The files with which a server speaks TLS, None if it does not.

    Raises:
        CertificateError: One of them is missing.
    """
    identity = identity_of(cert, key, "--tls")
    if client_ca and identity is None:
        raise CertificateError("--tls-client-ca is for TLS: give --tls-cert and --tls-key, too")
    ca = PemFile("--tls-client-ca", client_ca) if client_ca else None
    return CertificateFiles(identity, ca) if identity else None


def client_files(ca: Path | None, cert: Path | None, key: Path | None) -> CertificateFiles | None:
    """The files by which a command asks the service, None if that is without TLS.

    Raises:
        CertificateError: One of them is missing.
    """
    identity = identity_of(cert, key, "--service")
    if identity and ca is None:
        raise CertificateError("--service-cert is for TLS: give --service-ca, too")
    return CertificateFiles(identity, PemFile("--service-ca", ca)) if ca else None


def read_certificates(file: PemFile) -> bytes:
    """The content of a file that holds certificates.

    Raises:
        CertificateError: It holds none.
    """
    content = file.read()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=file.path)
    except ssl.SSLError:
        raise CertificateError(f"{file} holds no certificate in PEM") from None
    return content


def load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    """Has a context show a certificate.

    Raises:
        CertificateError: The key is not that of the first certificate, or both can't be used for TLS.
    """
    cert, key = identity.cert, identity.key

    def refuse_password() -> str:
        raise CertificateError(f"{key} has a password: give a key without one")

    try:
        context.load_cert_chain(cert.path, key.path, refuse_password)
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            raise CertificateError(f"{key} is not the key of the first certificate in {cert.path}") from None
        if error.reason in _UNREADABLE:
            raise CertificateError(f"{key} holds no private key in PEM") from None
        why = error.reason.replace("_", " ").lower()
        raise CertificateError(f"{cert} can't be used with {key}: {why}") from None
    except OSError as error:
        raise CertificateError(f"{cert} or {key} can't be read: {error.strerror}") from None
