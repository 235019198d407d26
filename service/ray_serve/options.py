"""The options of a replica, as the command line reads them."""

from collections.abc import Iterator
from typing import Any, Final

import click

from service.__main__ import main
from service.config import ConfigError, ServiceConfig, check_exposure, check_plaintext

# Ray's proxy has the connections, and any replica gets a call: none can keep batches for all.
_NOT_HERE: Final = frozenset(
    (
        *("host", "port", "edge_workers", "batch_db", "batch_ttl_s", "drain_timeout_s"),
        *("max_connections", "max_streams_per_connection", "max_connection_age_s"),
        *("tls_cert", "tls_key", "tls_client_ca", "tls_peers"),
    )
)
_PROXY_HOST: Final = "::"
_FLAGS: Final = ("allow_anonymous", "allow_plaintext_token")


def config_of(arguments: dict[str, Any]) -> ServiceConfig:
    """The settings of a replica.

    Args:
        arguments: Options by their names, with underscores for hyphens; a list gives one several times.

    Raises:
        ConfigError: One is unknown, has a wrong value, or is not the replica's to say.
    """
    if wrong := _NOT_HERE & arguments.keys():
        raise ConfigError(f"{', '.join(sorted(wrong))}: a replica behind Ray's proxy has no such option, leave it out")
    try:
        asked = main.make_context("service", list(_words(arguments))).params
    except click.ClickException as error:
        raise ConfigError(error.format_message()) from None
    are_allowed = {name: asked.pop(name) for name in _FLAGS}
    config = ServiceConfig(**{name: value for name, value in asked.items() if name not in _NOT_HERE}, batch_db="none")
    has_tokens = bool(config.token or config.token_file)
    check_exposure(_PROXY_HOST, has_tokens=has_tokens, allow_anonymous=are_allowed["allow_anonymous"])
    if has_tokens:
        check_plaintext(_PROXY_HOST, False, are_allowed["allow_plaintext_token"])
    return config


def _words(arguments: dict[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if value is True and name in _FLAGS:
            yield option
        elif value is not False or name not in _FLAGS:
            for each in value if isinstance(value, list) else [value]:
                yield f"{option}={each}"
