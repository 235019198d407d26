"""The commands `token` and `hash-token` of `python -m bridge`, also for token files that servers use."""

import getpass
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from accounts.editing import add_token, line_of, make_token, revoke_tokens
from accounts.limits import MAX_LIMIT, Limits
from accounts.token_file import TokenFileError, read_token_file
from accounts.tokens import Token, read_time, to_text

_DAYS: Final = re.compile(r"([0-9]{1,5})d")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")

_file = click.option(
    "--token-file",
    "path",
    type=click.Path(path_type=Path),
    envvar="RUNSTREAM_BRIDGE_TOKEN_FILE",
    show_envvar=True,
    required=True,
    help="The token file; it is made if there is none.",
)


def _limit(name: str, what: str) -> Callable[..., Callable[..., None]]:
    told = f"{what}; 0 for no limit. Left out, the service's own default counts."
    return click.option(name, type=click.IntRange(0, MAX_LIMIT), help=told)


def _expiry(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    return None if value is None else read_expiry(value, datetime.now(UTC))


def read_expiry(text: str, now: datetime) -> datetime:
    """Reads when a token expires.

    Args:
        text: Days from now, such as 90d; a date, at whose beginning in UTC it is; or a time of RFC 3339.
        now: The time, in UTC.

    Raises:
        click.BadParameter: It is none of these, or is past.
    """
    try:
        if days := _DAYS.fullmatch(text):
            expires = now.replace(microsecond=0) + timedelta(int(days[1]))
        else:
            expires = read_time(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except (ValueError, OverflowError):
        message = f"{text!r} is none: give days such as 90d, a date, or a time such as 2027-01-31T00:00:00Z"
        raise click.BadParameter(message) from None
    if expires <= now:
        raise click.BadParameter(f"{to_text(expires)} is past")
    return expires


@click.group("token")
def token() -> None:
    """Makes, lists and revokes tokens. Servers that use the file follow within a second."""


@token.command("new")
@click.argument("account")
@click.argument("name")
@_file
@click.option("--expires", callback=_expiry, metavar="90d|DATE", help="When it ends; left out, never.")
@_limit("--requests-per-minute", "The most requests in a minute")
@_limit("--tokens-per-minute", "The most tokens of prompts and completions in a minute")
@_limit("--concurrent-streams", "The most completions at the same time")
def new(account: str, name: str, path: Path, expires: datetime | None, **limits: int | None) -> None:
    """Makes a random token of ACCOUNT, writes its line, and prints the token: nothing keeps it.

    Logs show NAME. The account * is a peer's, such as the bridge's, which may name the account of each call.
    """
    try:
        secret, line = make_token(account, name)
        add_token(path, replace(line, expires=expires, limits=Limits(**limits)))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(secret)


@token.command("list")
@_file
def list_tokens(path: Path) -> None:
    """Lists the tokens of a file, without their hashes."""
    now = datetime.now(UTC)
    for line in _read(path):
        click.echo("\t".join((line.account, line.name, _told_expiry(line, now), str(line.limits) or "no limits")))


def _told_expiry(line: Token, now: datetime) -> str:
    if line.expires is None:
        return "never expires"
    return f"{'expired' if line.is_expired(now.timestamp()) else 'expires'} {to_text(line.expires)}"


@token.command("revoke")
@click.argument("name")
@click.option("--account", help="Of this account only; needed if several have a token of this name.")
@_file
def revoke(name: str, account: str | None, path: Path) -> None:
    """Takes the token NAME out of a file. Completions that run go on; its next request is refused."""
    found = {line.account for line in _read(path) if line.name == name and account in (None, line.account)}
    if not found:
        raise click.ClickException(f"{path} has no token {name!r}{f' of {account}' if account else ''}")
    if len(found) > 1:
        raise click.ClickException(f"{', '.join(sorted(found))} have a token {name!r}: give --account")
    try:
        revoke_tokens(path, lambda line: line.name == name and line.account in found)
    except TokenFileError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"revoked {name!r} of {found.pop()}")


def _read(path: Path) -> tuple[Token, ...]:
    try:
        return read_token_file(path)
    except TokenFileError as error:
        raise click.ClickException(str(error)) from None


@click.command("hash-token")
@click.argument("account")
@click.argument("name")
def hash_token(account: str, name: str) -> None:
    """Reads a token from standard input and writes its line of a token file."""
    secret = (getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()).strip("\ufeff \t\r\n")
    try:
        click.echo(line_of(secret, account, name.strip()))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
