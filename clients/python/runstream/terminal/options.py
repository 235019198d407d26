"""The options by which every command reaches the service."""

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from runstream.async_client import AsyncClient
from runstream.client import DEFAULT_TARGET, DEFAULT_TIMEOUT_S
from runstream.connection import MAX_MESSAGE_BYTES, check_token, grpc_target, is_loopback
from runstream.seconds import check_seconds
from runstream.terminal.backend import Backend
from runstream.terminal.bounded_input import read_file
from runstream.terminal.failures import REFUSED, Failure, failures
from runstream.terminal.grpc_backend import GrpcBackend

MAX_TOKEN_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""The most bytes of a request by REST."""

# What the bridge calls the account while nobody needs a token.
LOCAL_ACCOUNT: Final = "local"

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the service is, and who asks.

    Attributes:
        target: Its address for gRPC.
        url: The bridge's, for REST; empty for gRPC.
        token: What is shown to it; empty for none.
        ca: The certificates to trust; None for the well-known authorities.
        cert: The certificate to show; None for none.
        key: Its private key.
        is_tls: Whether gRPC uses TLS.
        account: Whose requests these are; None for the token's or certificate's own, or without one "local".
        timeout_s: The most seconds of a call.
    """

    target: str
    url: str
    token: str = field(repr=False)
    ca: Path | None
    cert: Path | None
    key: Path | None
    is_tls: bool
    account: str | None
    timeout_s: float

    @property
    def max_bytes(self) -> int:
        """The most bytes of a request."""
        return MAX_BODY_BYTES if self.url else MAX_MESSAGE_BYTES

    def client(self) -> AsyncClient:
        """A client for gRPC.

        Raises:
            Failure: The address or the certificates are wrong.
        """
        tls = str(self.ca) if self.ca else self.is_tls
        try:
            return AsyncClient(
                self.target,
                token=self.token or None,
                tls=tls,
                cert=self.cert,
                key=self.key,
                timeout_s=self.timeout_s,
                account=self.account,
                allow_plaintext_token=True,
            )
        except (OSError, ValueError) as error:
            raise Failure(str(error)) from None

    def _ssl(self) -> ssl.SSLContext | bool:
        """How the bridge's certificate is checked, and which is shown to it; True for the usual."""
        if self.ca is None and self.cert is None:
            return True
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise Failure(f"--ca {self.ca}: {error.strerror or error}") from None
        if self.cert and self.key:
            try:
                context.load_cert_chain(self.cert, self.key, _refuse_password)
            except OSError as error:
                raise Failure(f"--cert {self.cert} with --key {self.key}: {error.strerror or error}") from None
        return context

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        """The service, whose failures end the command."""
        made: Backend
        if self.url:
            from runstream.terminal.rest_backend import RestBackend  # it takes a third of the start to load

            made = RestBackend(self.url, self.account or LOCAL_ACCOUNT, self.token, self._ssl(), self.timeout_s)
        else:
            made = GrpcBackend(self.client(), self.target)
        try:
            with failures(made.place):
                yield made
        finally:
            await made.close()


class _Seconds(click.types.FloatParamType):
    """A time that a call can have."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        seconds = float(super().convert(value, param, ctx))
        try:
            check_seconds(seconds, "it")
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return seconds


class _Unicode(click.types.StringParamType):
    """A text that can be sent. Bytes of the command line that are no characters come as halves of some."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text."""
        text = str(super().convert(value, param, ctx))
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8: convert it, as with iconv", param, ctx)
        return text


UNICODE: Final = _Unicode()
"""The type of what goes to the service."""


def model_option(command: CommandT) -> CommandT:
    """Gives a command the option -m; `default_model` finds one where it is not given."""
    return click.option("-m", "--model", type=UNICODE, envvar="RUNSTREAM_MODEL", show_envvar=True,
                        help="Default: the first that is ready.")(command)  # fmt: skip


def connection_options(command: CommandT) -> CommandT:
    """Gives a command the options of a `Connection`; `connection` makes one of their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: Final[list[Callable[[Any], Any]]] = [
    click.option("--target", default=DEFAULT_TARGET, envvar="RUNSTREAM_TARGET", show_envvar=True, show_default=True,
                 type=UNICODE, metavar="HOST:PORT", help="The service, by gRPC."),
    click.option("--url", default="", envvar="RUNSTREAM_URL", show_envvar=True, type=UNICODE, metavar="URL",
                 help="The bridge, by REST, instead."),
    click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE",
                 help="Holds the token; RUNSTREAM_TOKEN is the token itself."),
    click.option("--ca", type=click.Path(path_type=Path), metavar="FILE",
                 help="The certificates (PEM) to trust; means TLS."),
    click.option("--cert", type=click.Path(path_type=Path), metavar="FILE",
                 help="A certificate (PEM) to show, for who asks for one."),
    click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its private key (PEM)."),
    click.option("--tls", is_flag=True, help="gRPC by TLS with the well-known authorities."),
    click.option("--allow-plaintext-token", is_flag=True, help="Send the token without TLS to other machines."),
    click.option("--account", envvar="RUNSTREAM_ACCOUNT", show_envvar=True, type=UNICODE,
                 help="Whose requests these are. Default: the token's or certificate's own; with --url, local."),
    click.option("--timeout", "timeout_s", type=_Seconds(), default=DEFAULT_TIMEOUT_S,
                 show_default=True, metavar="SECONDS", help="The most seconds of an answer."),
]  # fmt: skip

NAMES: Final = (
    "target",
    "url",
    "token_file",
    "ca",
    "cert",
    "key",
    "tls",
    "allow_plaintext_token",
    "account",
    "timeout_s",
)


def connection(options: dict[str, Any]) -> Connection:
    """Takes a command's connection options out of its options.

    Raises:
        Failure: They do not go together, or the token can't be read or would be sent in clear text.
    """
    given = {name: options.pop(name) for name in NAMES}
    url = _url(given["url"]) if given["url"] and not _is_target_meant() else ""
    if url and given["tls"]:
        raise Failure("--tls is for --target: with --url, https:// says the same")
    if url.startswith("http://") and given["ca"]:
        raise Failure("--ca is for TLS: give an https:// --url, or leave it out")
    token = _token(given["token_file"])
    is_plain = url.startswith("http://") if url else not (given["tls"] or given["ca"])
    _check_shown(given["cert"], given["key"], is_plain)
    if token and is_plain and not given["allow_plaintext_token"] and not _is_local(given["target"], url):
        raise Failure("the token would be sent in clear text: give --ca or --tls, an https:// --url, or "
                      "--allow-plaintext-token if nobody else can read on the way")  # fmt: skip
    return Connection(
        given["target"],
        url,
        token,
        given["ca"],
        given["cert"],
        given["key"],
        given["tls"],
        given["account"],
        given["timeout_s"],
    )  # fmt: skip


def _check_shown(cert: Path | None, key: Path | None, is_plain: bool) -> None:
    if bool(cert) != bool(key):
        raise Failure("--cert and --key belong together: give both, or neither")
    if cert and is_plain:
        raise Failure("--cert is for TLS: give --ca or --tls, or an https:// --url, too")


def _is_target_meant() -> bool:
    """Whether --target on the command line overrules RUNSTREAM_URL."""
    context = click.get_current_context()
    sources = {name: context.get_parameter_source(name) for name in ("target", "url")}
    if sources["target"] is sources["url"] is ParameterSource.COMMANDLINE:
        raise Failure("--target is for gRPC and --url for REST: give one of them")
    return sources["target"] is ParameterSource.COMMANDLINE


def _url(url: str) -> str:
    wrong = Failure(f"{url!r} is no address of a bridge: give one such as http://127.0.0.1:8080")
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise wrong from None
    if not is_whole:
        raise wrong
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Failure(f"--url is {url!r}: leave out what follows the port")
    return url.rstrip("/")


def _is_local(target: str, url: str) -> bool:
    if not url:
        try:
            return is_loopback(grpc_target(target))
        except ValueError as error:
            raise Failure(str(error)) from None
    host = urlsplit(url).hostname or ""
    return is_loopback(f"[{host}]:1" if ":" in host else f"{host}:1")


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get("RUNSTREAM_TOKEN", "").strip()
    else:
        token = read_file(file, MAX_TOKEN_BYTES, "it holds more than a token").strip()
        if not token:
            raise Failure(f"{file} is empty: put the token into it")
    try:
        check_token(token)
    except ValueError as error:
        raise Failure(str(error)) from None
    return token


def _refuse_password() -> str:
    raise Failure("--key has a password: give a key without one")


async def default_model(backend: Backend) -> str:
    """The first model that can answer; if none is known to, the first that may.

    Raises:
        Failure: None can.
    """
    listed = await backend.models()
    for state in ("ready", "unknown"):
        for model in listed:
            if model.state == state:
                return model.id
    raise Failure("no model is ready: `runstream models` lists them, --model names one to load", REFUSED)
