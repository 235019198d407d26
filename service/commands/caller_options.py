"""The options of `python -m service` that say who may call: connections, TLS, tokens and their limits."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from accounts.limits import MAX_LIMIT
from service.commands import option_values
from service.config import DEFAULT_MAX_CONNECTIONS, DEFAULTS

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_option = functools.partial(click.option, show_envvar=True, show_default=True)
_optional = functools.partial(click.option, show_envvar=True, default="")
_file = functools.partial(_optional, default=None, type=click.Path(path_type=Path))
_limit = functools.partial(_option, type=click.IntRange(0, MAX_LIMIT), default=0)
_SECONDS = click.FloatRange(min=0, min_open=True)

_OPTIONS: Final[list[Callable[[Any], Any]]] = [
    _option(
        "--write-timeout-s",
        type=_SECONDS,
        default=DEFAULTS.write_timeout_s,
        help="How long a message of a stream may wait for its client to read, in seconds; then the call ends.",
    ),
    _option(
        "--max-connections",
        type=click.IntRange(min=0),
        default=0,
        show_default=f"{DEFAULT_MAX_CONNECTIONS}, or what the limit of open files allows",
        help="Connections held at once; of more, each ends at once.",
    ),
    _option(
        "--max-streams-per-connection",
        type=click.IntRange(min=1),
        default=DEFAULTS.max_streams_per_connection,
        help="Calls that are open at once on one connection; a bridge has one connection for all of its requests.",
    ),
    _option(
        "--max-connection-age-s",
        type=click.FloatRange(min=0),
        default=DEFAULTS.max_connection_age_s,
        help="How long a connection takes new calls, in seconds; 0 for no end. Running calls go on. It lets clients of "
        "several services find those that have come.",
    ),
    _file(
        "--tls-cert",
        help="A PEM file with a certificate, with which gRPC speaks TLS only. It is read again once it is renewed.",
    ),
    _file("--tls-key", help="A PEM file with its private key."),
    _file(
        "--tls-client-ca",
        help="A PEM file with the certificates that those of callers must come from: mutual TLS. Read again, too.",
    ),
    _option(
        "--tls-peers",
        multiple=True,
        default=[],
        callback=option_values.split,
        help="With --tls-client-ca, the names whose certificates may act for any account, such as the bridge's.",
    ),
    _optional("--token", help="A token of a peer's, such as the bridge. Better in its variable."),
    _file(
        "--token-file",
        help="Who may call: a token file as `python -m bridge token new` writes it, read again whenever it changes.",
    ),
    _limit("--requests-per-minute", help="Of each token whose line does not say how many; 0 for any number."),
    _limit("--tokens-per-minute", help="The same of the tokens of prompts and completions together."),
    _limit("--concurrent-streams", help="The same of completions at the same time, whole ones included."),
    _option("--allow-anonymous", is_flag=True, help="Listen beyond loopback without a token."),
    _option("--allow-plaintext-token", is_flag=True, help="Listen beyond loopback with a token and without TLS."),
]


def add_caller_options(command: CommandT) -> CommandT:
    """Gives a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
