"""TLS on the port of gRPC: whose certificates it shows and asks for, read again once their files are renewed."""

import grpc

from service.config import ConfigError
from transport.certificates import CertificateError, CertificateFiles, Pem


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """The credentials that a server listens with. Before each handshake it looks whether the files are renewed.

    Args:
        files: Its certificate, and what those of callers must come from; without the latter callers need none.

    Raises:
        ConfigError: The files can't be used; the text says which is wrong.
    """
    try:
        first = _configuration(files.read())
    except CertificateError as error:
        raise ConfigError(str(error)) from None

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        pem = files.renewed()
        return _configuration(pem) if pem else None

    # None, "nothing new", is documented; the stubs do not know it.
    return grpc.dynamic_ssl_server_credentials(
        first,
        renewed,  # type: ignore[arg-type]
        require_client_authentication=files.ca is not None,
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    assert pem.key is not None
    assert pem.chain is not None
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], pem.ca)
