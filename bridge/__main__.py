"""The command line: `python -m bridge`."""

import importlib.util
import signal
import sys

if __name__ == "__main__":  # an interrupt while the rest is imported would end in a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if importlib.util.find_spec("aiohttp") is None:
        sys.exit("error: the packages of the bridge are not installed: pip install 'runstream[bridge]'")
    from transport.heap import settle_heap

    settle_heap()

import os

# gRPC reads it when it is imported. It would write a line for each handshake that fails, as often as others want.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from accounts.secret_file import read_secret
from accounts.token_file import TokenFile
from bridge import token_commands
from bridge.app import build_app
from bridge.config import DEFAULT_MAX_CONNECTIONS, Config
from bridge.health_command import health
from bridge.http.access_log import configure_logging
from bridge.http.addresses import bare_host, check_page, check_target, read_host_name, read_origin, unix_path
from bridge.http.unix_socket import ListenError
from bridge.server import serve
from bridge.workers.child import WorkerError
from bridge.workers.supervisor import supervise
from logs.writing import LOG_FORMATS
from tracing.opening import check_endpoint
from transport.addresses import check_target_of_token, is_loopback
from transport.descriptors import most_connections, raise_limit

option = partial(click.option, show_default=True, show_envvar=True)
SECONDS = click.FloatRange(min=0, min_open=True)


def _host(context: click.Context, parameter: click.Parameter, value: str) -> str:
    return bare_host(value)


def _checked_by(check: Callable[[str], None]) -> Callable[[click.Context, click.Parameter, str], str]:
    """Takes a value that this does not refuse."""

    def take(context: click.Context, parameter: click.Parameter, value: str) -> str:
        try:
            check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    return take


def _each_of(read: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, str], frozenset[str]]:
    """Reads a list with commas; each part by this."""

    def split(context: click.Context, parameter: click.Parameter, value: str) -> frozenset[str]:
        try:
            return frozenset(read(part.strip().lower()) for part in value.split(",") if part.strip())
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return split


@click.group(invoke_without_command=True, context_settings={"auto_envvar_prefix": "RUNSTREAM_BRIDGE"})
@option("--host", default=Config.host, callback=_host, help="Address to listen on, or unix:/path for a socket.")
@option("--port", default=Config.port, type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@option(
    "--service",
    default=Config.service,
    callback=_checked_by(check_target),
    help="Model service: host:port, or unix:/path for a socket. Several: their addresses with commas, or dns:///name:port.",
)
@option(
    "--service-name",
    default=Config.service_name,
    help="The name that the certificates of services are for, if these are asked by their addresses.",
)
@option(
    "--service-ca",
    type=click.Path(path_type=Path),
    help="A PEM file with the certificates that the service's must come from; with it, the service is asked with TLS.",
)
@option(
    "--service-cert",
    type=click.Path(path_type=Path),
    help="A PEM file with the certificate that the bridge shows the service, for one with --tls-client-ca.",
)
@option("--service-key", type=click.Path(path_type=Path), help="A PEM file with its private key.")
@option(
    "--service-token",
    default=Config.service_token,
    help="Token that the service knows the bridge by, as a peer. Better in its variable, or in a file.",
)
@option("--service-token-file", type=click.Path(path_type=Path), help="A file that holds that token and nothing else.")
@option(
    "--service-metrics",
    default=Config.service_metrics,
    callback=_checked_by(check_page),
    help="Where the service's metrics are, such as http://127.0.0.1:9464/metrics; the page /status shows them.",
)
@option("--token-file", type=click.Path(path_type=Path), help="Who may use the bridge; `token new` writes it.")
@option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    help="A PEM file with a certificate, with which the bridge speaks TLS only. It is read again once it is renewed.",
)
@option("--tls-key", type=click.Path(path_type=Path), help="A PEM file with its private key.")
@option(
    "--tls-client-ca",
    type=click.Path(path_type=Path),
    help="A PEM file with the certificates that those of clients must come from: mutual TLS. Read again, too.",
)
@option("--allow-anonymous", is_flag=True, help="Listen beyond loopback without tokens.")
@option(
    "--allow-plaintext-token",
    is_flag=True,
    help="Take and send tokens without TLS beyond loopback: a proxy has it, or nobody else can read on the way.",
)
@option(
    "--allowed-hosts",
    default="",
    callback=_each_of(read_host_name),
    help="Host names to answer besides loopback, with commas.",
)
@option(
    "--allowed-origins", default="", callback=_each_of(read_origin), help="Origins of web pages to answer, with commas."
)
@option(
    "--deadline-s",
    default=Config.deadline_s,
    type=click.FloatRange(min=0, min_open=True),
    help="Most seconds that a call of the service may take, and that a large request waits for its turn.",
)
@option(
    "--keep-alive-s",
    default=Config.keep_alive_s,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds without an event after which a stream gets a comment, so that nobody takes it for dead.",
)
@option(
    "--pad-events", is_flag=True, help="Add a field p of random length to streamed events, which hides their texts'."
)
@option(
    "--max-connections",
    default=0,
    show_default=f"{DEFAULT_MAX_CONNECTIONS}, or what the limit of open files allows",
    type=click.IntRange(min=0),
    help="Connections held at once; of more, idle ones are ended, and where none is idle they get 503.",
)
@option(
    "--head-timeout-s",
    default=Config.head_timeout_s,
    type=SECONDS,
    help="Most seconds for a connection's first byte, for the head of a request, and for a TLS handshake.",
)
@option(
    "--body-timeout-s",
    default=Config.body_timeout_s,
    type=SECONDS,
    help="Most seconds for a request's body, and one more for each 64 KiB of it.",
)
@option(
    "--idle-timeout-s",
    default=Config.idle_timeout_s,
    type=SECONDS,
    help="Seconds that a connection is kept between two requests. More than a proxy in front keeps it.",
)
@option(
    "--write-timeout-s",
    default=Config.write_timeout_s,
    type=SECONDS,
    help="Most seconds in which a client takes less than 16 KiB of what is written; then its connection ends.",
)
@option(
    "--shutdown-grace-s",
    default=Config.shutdown_grace_s,
    type=click.FloatRange(min=0),
    help="Seconds that running answers get at the end.",
)
@option(
    "--otlp-endpoint",
    default=Config.otlp_endpoint,
    callback=_checked_by(check_endpoint),
    help="Where a collector takes traces by OTLP over gRPC, such as http://127.0.0.1:4317. Else as "
    "OTEL_EXPORTER_OTLP_ENDPOINT says, if it is set.",
)
@option(
    "--workers",
    default=Config.workers,
    type=click.IntRange(1, 64),
    help="How many processes answer, each on a core of its own. What is limited is limited in each.",
)
@option(
    "--log-level",
    default=Config.log_level,
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    help="Least severe messages to log.",
)
@option(
    "--log-format",
    default=Config.log_format,
    type=click.Choice(LOG_FORMATS),
    help="The form of the log's lines.",
)
@click.pass_context
def main(context: click.Context, /, service_token: str, service_token_file: Path | None, **settings: object) -> None:
    """Answers Workers AI's REST and SSE requests with a Runstream model service."""
    if context.invoked_subcommand is not None:
        return
    if service_token_file is not None:
        service_token = _read_secret(service_token_file)
    _serve(Config(service_token=service_token, **settings))  # type: ignore[arg-type]  # the options are the fields


def _read_secret(path: Path) -> str:
    try:
        return read_secret(path)
    except ValueError as error:
        raise click.ClickException(f"--service-token-file {error}") from None


def _check_exposure(config: Config) -> None:
    """Refuses to let other machines in without a token, or to have them send tokens in clear text, unless it is meant.

    Raises:
        click.ClickException: It would.
    """
    if not (config.token_file or config.tls_client_ca or config.allow_anonymous):
        raise click.ClickException(
            f"{config.host} is reached from other machines: give --token-file or --tls-client-ca, or --allow-anonymous "
            "if that is meant"
        )
    if config.token_file and not (config.tls_cert or config.allow_plaintext_token):
        raise click.ClickException(
            f"{config.host} has tokens sent in clear text: give --tls-cert and --tls-key, or --allow-plaintext-token "
            "if a proxy before it has TLS or nobody else can read on the way"
        )


def _serve(config: Config) -> None:
    configure_logging(config.log_level, config.log_format)
    if unix_path(config.host) is None and not is_loopback(config.host):
        _check_exposure(config)
    try:
        most = most_connections(config.max_connections, DEFAULT_MAX_CONNECTIONS, raise_limit())
        config = replace(config, max_connections=most)
        if config.service_token and not (config.service_ca or config.allow_plaintext_token):
            check_target_of_token(config.service)
        tokens = TokenFile(config.token_file) if config.token_file else None
        asyncio.run(supervise(config) if config.workers > 1 else serve(build_app(config, tokens), config))
    except (ListenError, WorkerError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


main.add_command(token_commands.token)
main.add_command(token_commands.hash_token)


main.add_command(health)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(prog_name="python -m bridge")
