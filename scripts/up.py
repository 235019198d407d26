"""Starts service and bridge, tells when they answer, and ends both together: what `make run` runs."""

import signal

if __name__ == "__main__":  # an interrupt while the rest is imported would end in a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

import click

from bridge.http.addresses import bare_host, unix_path
from scripts.child import Child
from scripts.greeting import greeting
from scripts.parent import parent_has_ended
from scripts.patient_output import PatientOutput
from scripts.progress import ProgressLine
from transport.certificates import CertificateError, client_files

DEMO_MODEL = "@runstream/demo"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what listens everywhere

# Not 0, for a free one: what is started here must be found.
PORT = click.IntRange(1, 65535)


@dataclass(frozen=True)
class Settings:
    """Where the parts listen, with which models, and whether they end with the process that started this one."""

    host: str
    port: int
    service_port: int
    metrics_port: int
    models: tuple[str, ...]
    stand_in: str
    service_ca: Path | None
    service_cert: Path | None
    service_key: Path | None
    bridge_has_tls: bool
    end_with_parent: bool

    @property
    def service_address(self) -> str:
        """Where the bridge finds the service."""
        return f"127.0.0.1:{self.service_port}"

    @property
    def bridge_socket(self) -> Path | None:
        """The socket that the bridge listens on; None if it is a port."""
        return unix_path(self.host)

    @property
    def bridge_url(self) -> str:
        """Where a client on this machine finds the bridge; on a socket it goes by that name too."""
        if self.bridge_socket:
            return "https://localhost" if self.bridge_has_tls else "http://localhost"
        host, scheme = EVERYWHERE.get(self.host, self.host), "https" if self.bridge_has_tls else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    def service_command(self) -> list[str]:
        """The command that starts the service."""
        options = ["--host", "127.0.0.1", "--port", str(self.service_port), "--metrics-port", str(self.metrics_port)]
        for model in self.models:
            options += ["--models", model]
        if self.stand_in:
            options += ["--stand-in", self.stand_in]
        return [sys.executable, "-m", "service", *options]

    def bridge_command(self) -> list[str]:
        """The command that starts the bridge."""
        options = ["--host", self.host, "--port", str(self.port), "--service", self.service_address]
        if self.metrics_port:
            options += ["--service-metrics", f"http://127.0.0.1:{self.metrics_port}/metrics"]
        for flag, file in (("ca", self.service_ca), ("cert", self.service_cert), ("key", self.service_key)):
            if file:
                options += [f"--service-{flag}", str(file)]
        return [sys.executable, "-m", "bridge", *options]


def check_port(host: str, port: int, flag: str) -> None:
    """Says what to do if the port is taken.

    Raises:
        click.ClickException: if something listens there, or this user may not.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            example = f"PORT={port + 1}" if flag == "--port" else f"ARGS='{flag} {port + 1}'"
            advice = f"choose another with {flag}, as in make run {example}"
            raise click.ClickException(f"port {port} on {host}: {error.strerror}; {advice}") from error


async def greet_when_ready(settings: Settings, progress: ProgressLine) -> None:
    """Tells what is being waited for, then how to ask; ends only by being cancelled."""
    # aiohttp and grpc: the parts start while these are imported
    from scripts.readiness import bridge_is_ready, service_is_serving, show_while

    def tell(trouble: str) -> None:
        progress.clear()
        print(f"runstream: {trouble}", flush=True)

    started_at = time.monotonic()
    loading = f"loading {', '.join(settings.models)}"
    files = client_files(settings.service_ca, settings.service_cert, settings.service_key)
    await show_while(loading, service_is_serving(settings.service_address, files, tell), progress)
    await show_while("waiting for the bridge", bridge_is_ready(settings.bridge_url, settings.bridge_socket), progress)
    print(f"Ready in {time.monotonic() - started_at:.1f} s.")
    model = "" if DEMO_MODEL in settings.models else settings.models[0]
    print(greeting(settings.bridge_url, settings.service_address, settings.bridge_socket, model), flush=True)
    await asyncio.Event().wait()


def listen_for_signals(stopped: asyncio.Event, children: list[Child]) -> None:
    """Makes the first Ctrl-C, SIGTERM or SIGHUP end everything, and the next one end it without grace.

    Under nohup SIGHUP goes on being ignored.
    """

    def stop() -> None:
        if stopped.is_set():
            for child in children:
                child.kill()
        stopped.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def stop_with_parent(stopped: asyncio.Event) -> None:
    """Ends everything once the process that started this one ends."""
    await parent_has_ended()
    stopped.set()


async def up(settings: Settings) -> int:
    """Runs service and bridge until a signal comes or one of them ends; returns the exit status."""
    progress, children, stopped = ProgressLine(), list[Child](), asyncio.Event()
    listen_for_signals(stopped, children)
    watch = asyncio.create_task(stop_with_parent(stopped) if settings.end_with_parent else stopped.wait())
    bridge = settings.host if settings.bridge_socket else settings.bridge_url
    print(f"Starting the service on {settings.service_address} and the bridge on {bridge}", flush=True)
    children.append(await Child.start("service", settings.service_command(), progress))
    children.append(await Child.start("bridge", settings.bridge_command(), progress))
    greeting = asyncio.create_task(greet_when_ready(settings, progress))
    stop = asyncio.create_task(stopped.wait())
    ends = {asyncio.create_task(child.end()): child for child in children}
    try:
        await asyncio.wait([stop, *ends], return_when=asyncio.FIRST_COMPLETED)
        first = next((child for end, child in ends.items() if end.done()), None)
    finally:
        greeting.cancel()
        watch.cancel()
        await asyncio.gather(greeting, watch, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in children))
    if stopped.is_set() or first is None:
        print("Stopped.")
        return 0
    print(f"runstream: the {first.name} ended (exit status {await first.end()}): {first.last_words()}", file=sys.stderr)
    return 1


@click.command(context_settings={"show_default": True})
@click.option(
    "--host",
    default="127.0.0.1",
    envvar="RUNSTREAM_BRIDGE_HOST",
    show_envvar=True,
    callback=lambda context, parameter, value: bare_host(value),
    help="Bridge address, or unix:/path for a socket.",
)
@click.option("--port", default=8080, type=PORT, envvar="RUNSTREAM_BRIDGE_PORT", show_envvar=True, help="Bridge port.")
@click.option(
    "--service-port", default=50051, type=PORT, envvar="RUNSTREAM_SERVICE_PORT", show_envvar=True, help="gRPC port."
)
@click.option(
    "--metrics-port",
    default=9464,
    type=click.IntRange(0, 65535),
    envvar="RUNSTREAM_SERVICE_METRICS_PORT",
    show_envvar=True,
    help="Port of the service's metrics; 0 for none.",
)
@click.option(
    "--models",
    multiple=True,
    default=[DEMO_MODEL],
    envvar="RUNSTREAM_SERVICE_MODELS",
    show_envvar=True,
    help="Model to load; may be repeated.",
)
@click.option(
    "--stand-in",
    default=DEMO_MODEL,
    envvar="RUNSTREAM_SERVICE_STAND_IN",
    show_envvar=True,
    help="Model that answers for those whose weights are missing; '' for none.",
)
@click.option(
    "--service-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="RUNSTREAM_BRIDGE_SERVICE_CA",
    show_envvar=True,
    help="The certificates that the service's must come from, for a service with RUNSTREAM_SERVICE_TLS_CERT.",
)
@click.option(
    "--service-cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="RUNSTREAM_BRIDGE_SERVICE_CERT",
    show_envvar=True,
    help="The certificate to show it, for a service with RUNSTREAM_SERVICE_TLS_CLIENT_CA.",
)
@click.option(
    "--service-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="RUNSTREAM_BRIDGE_SERVICE_KEY",
    show_envvar=True,
    help="Its private key.",
)
@click.option("--end-with-parent", is_flag=True, help="End when the process that started this one does: make.")
def main(**options: object) -> None:
    """Starts the gRPC service and the Workers AI bridge before it, and ends both on Ctrl-C.

    Every other option of the two has an environment variable that reaches them from here: see
    `python -m service --help` and `python -m bridge --help`.
    """
    bridge_has_tls = bool(os.environ.get("RUNSTREAM_BRIDGE_TLS_CERT"))
    settings = Settings(bridge_has_tls=bridge_has_tls, **options)  # type: ignore[arg-type]
    if os.environ.get("RUNSTREAM_BRIDGE_TLS_CLIENT_CA"):
        raise click.ClickException(
            "RUNSTREAM_BRIDGE_TLS_CLIENT_CA: a bridge that asks for certificates can't be asked from here whether it "
            "is ready; start service and bridge by themselves"
        )
    if bool(os.environ.get("RUNSTREAM_SERVICE_TLS_CERT")) != bool(settings.service_ca):
        raise click.ClickException("RUNSTREAM_SERVICE_TLS_CERT and --service-ca belong together: set both, or neither")
    try:
        client_files(settings.service_ca, settings.service_cert, settings.service_key)
    except CertificateError as error:
        raise click.ClickException(str(error)) from None
    if not settings.bridge_socket:
        check_port(settings.host, settings.port, "--port")
    check_port("127.0.0.1", settings.service_port, "--service-port")
    check_port("127.0.0.1", settings.metrics_port, "--metrics-port")
    share_token(os.environ)
    sys.exit(run(settings))


def share_token(environment: MutableMapping[str, str]) -> None:
    """Has the bridge known to the service as a peer, unless the environment already says by which token.

    Args:
        environment: The variables that both get.
    """
    if any(environment.get(f"RUNSTREAM_BRIDGE_SERVICE_{name}") for name in ("TOKEN", "TOKEN_FILE")):
        return
    token = environment.get("RUNSTREAM_SERVICE_TOKEN")
    if not token and environment.get("RUNSTREAM_SERVICE_TOKEN_FILE"):
        token = environment["RUNSTREAM_SERVICE_TOKEN"] = secrets.token_urlsafe()
    if token:
        environment["RUNSTREAM_BRIDGE_SERVICE_TOKEN"] = token


def run(settings: Settings) -> int:
    """Runs service and bridge, without ever waiting for whoever reads what is said; returns the exit status."""
    said, errors = PatientOutput(1, sys.stdout.encoding), PatientOutput(2, sys.stderr.encoding)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            return asyncio.run(up(settings))
    finally:
        said.finish()
        errors.finish()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
