"""TLS on the port of gRPC: a certificate and its key, read again once their files are renewed."""

import logging
import ssl
from pathlib import Path

import grpc

from service.config import ConfigError

_logger = logging.getLogger(__name__)
_CERT, _KEY = "--tls-cert", "--tls-key"

# OpenSSL's reasons where it finds no key. Of "PEM lib", which wraps others, Python gives none.
_UNREADABLE = (None, "PEM_LIB", "NO_START_LINE")

# Of another certificate of the same kind, and of one of another kind.
_MISMATCH = ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED")

# What changes of a file that is written anew, or that another one takes the place of.
_Stamp = tuple[int, int, int]


class CertificateFiles:
    """The certificate that the service shows.

    Args:
        cert: PEM: the service's own certificate, then those between it and a certificate that clients trust.
        key: PEM: its private key, without a password.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._stamps = self._read_stamps()

    def credentials(self) -> grpc.ServerCredentials:
        """What a server listens with. Before each handshake it looks whether the files are renewed.

        Raises:
            ConfigError: They hold no certificate with its key; the text says which is wrong.
        """
        # None, "nothing new", is documented; the stubs do not know it.
        return grpc.dynamic_ssl_server_credentials(self._read(), self.renewed)  # type: ignore[arg-type]

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files hold now, None if that is nothing new or can't be used: then the old one stays."""
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            renewed = self._read()
        except ConfigError as error:
            _logger.warning("the certificate before stays in use: %s", error)
            return None
        _logger.info("the certificate is read again from %s", self._cert)
        return renewed

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key = read_certificates(_CERT, self._cert), _read_file(_KEY, self._key)
        _check_key(self._cert, self._key)
        return grpc.ssl_server_certificate_configuration([(key, chain)])

    def _read_stamps(self) -> list[_Stamp | None]:
        return [_stamp(path) for path in (self._cert, self._key)]


def read_certificates(flag: str, path: Path) -> bytes:
    """The content of a PEM file that holds certificates.

    Args:
        flag: The flag that names the file, for the message.

    Raises:
        ConfigError: It holds none.
    """
    content = _read_file(flag, path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ConfigError(f"{flag} {path} holds no certificate in PEM") from None
    return content


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read_file(flag: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{flag} {path} can't be read: {error.strerror}") from None


def _check_key(cert: Path, key: Path) -> None:
    """Has the standard library read both: gRPC would say no more than that something is wrong.

    Raises:
        ConfigError: It is not the key of the first certificate, or both can't be used for TLS.
    """

    def refuse_password() -> str:
        raise ConfigError(f"{_KEY} {key} has a password: give a key without one")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, refuse_password)
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            raise ConfigError(f"{_KEY} {key} is not the key of the first certificate in {cert}") from None
        if error.reason in _UNREADABLE:
            raise ConfigError(f"{_KEY} {key} holds no private key in PEM") from None
        why = error.reason.replace("_", " ").lower()
        raise ConfigError(f"{_CERT} {cert} can't be used with {_KEY} {key}: {why}") from None
