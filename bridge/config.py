"""The settings of the bridge. The flags of `python -m bridge` take their defaults from here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from transport.certificates import CertificateFiles, client_files, server_files

# Where there are enough descriptors, see `transport.descriptors`.
DEFAULT_MAX_CONNECTIONS: Final = 4096


@dataclass(frozen=True)
class Config:
    """The bridge's settings.

    Attributes:
        host: The address to listen on, or "unix:" and the path of a socket.
        port: The port to listen on; 0 takes a free one. A socket has none.
        service: The model service's gRPC target, such as "127.0.0.1:50051" or "unix:/run/runstream.sock"; several
            addresses with commas, or "dns:///" and a name, for several services.
        service_name: The name that the certificates of services are for; empty for the one by which they are asked.
        service_ca: A file of certificates that a service with TLS is trusted by; None for a service without TLS.
        service_cert, service_key: The files of the certificate that the bridge shows the service; None for none.
        service_token: What the bridge shows the service as its bearer token; empty for none.
        service_metrics: Where the service's Prometheus metrics are read for the operator's page; empty for nowhere.
        token_file: Who may use the bridge, see `auth`; None lets everybody.
        tls_cert, tls_key: The files of the certificate with which the bridge speaks TLS, and of its key; None for plain
            HTTP.
        tls_client_ca: The file of the certificates that those of clients must come from; None if they need none.
        allow_anonymous: Whether listening beyond loopback without tokens is meant.
        allow_plaintext_token: Whether tokens may be sent in clear text beyond loopback, to the bridge and by it.
        allowed_hosts: Host headers answered besides localhost and loopback addresses.
        allowed_origins: Origins of web pages answered besides the bridge's own.
        deadline_s: The most seconds that a call of the service may take, and that a large request waits for its turn.
        keep_alive_s: After how many seconds without an event a stream gets a comment.
        pad_events: Whether native streams hide the lengths of their texts with padding.
        max_connections: How many connections are held at once.
        head_timeout_s: How many seconds the head of a request, or a TLS handshake, may take to come.
        body_timeout_s: How many seconds a body may take to come; a long one gets some more, see `http.body`.
        idle_timeout_s: How many seconds a connection is kept between two requests.
        write_timeout_s: How many seconds a client may take next to nothing of its answer.
        shutdown_grace_s: The most seconds that running answers get to end when the bridge is told to.
        otlp_endpoint: Where traces go by OTLP; empty for where OpenTelemetry's variables say, if they do.
        workers: How many processes share the address.
        log_level: The least severe messages to log, a name of the logging module.
        log_format: The form of the log's lines, "text" or "json".
    """

    host: str = "127.0.0.1"
    port: int = 8080
    service: str = "127.0.0.1:50051"
    service_name: str = ""
    service_ca: Path | None = None
    service_cert: Path | None = None
    service_key: Path | None = None
    service_token: str = ""
    service_metrics: str = ""
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    allow_anonymous: bool = False
    allow_plaintext_token: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    deadline_s: float = 120.0
    keep_alive_s: float = 15.0
    pad_events: bool = False
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    head_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 30.0
    shutdown_grace_s: float = 5.0
    otlp_endpoint: str = ""
    workers: int = 1
    log_level: str = "INFO"
    log_format: str = "text"

    @property
    def tls_files(self) -> CertificateFiles | None:
        """The files with which the bridge speaks TLS; None for plain HTTP.

        Raises:
            CertificateError: One of them is missing.
        """
        return server_files(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def service_files(self) -> CertificateFiles | None:
        """The files by which the service is asked with TLS; None for plain text.

        Raises:
            CertificateError: One of them is missing.
        """
        return client_files(self.service_ca, self.service_cert, self.service_key)


CONFIG = web.AppKey("config", Config)
