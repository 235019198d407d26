"""Replays the conformance suite's exchanges against a server and against Runstream, and prints where they differ.

`make parity BASE=https://api.cloudflare.com ACCOUNT=… TOKEN=…`; the model must be one of Runstream's catalog. Runstream
is started for it, with the demo model standing in, so texts and counts are not compared: see `observation`.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import requests

from accounts.tokens import Token, hash_token
from tests.conformance.exchanges import Exchange, Target, read_exchanges, send
from tests.conformance.observation import differences
from tests.support.running_stack import run_stack

REFUSALS = (400, 401, 403)


@contextmanager
def own_runstream(account: str, token: str, model: str) -> Iterator[Target]:
    """A Runstream of its own that takes the same token for the same account."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_text(f"{Token(account, hash_token(token), 'parity')}\n")
        with run_stack(RUNSTREAM_BRIDGE_TOKEN_FILE=str(tokens), XDG_STATE_HOME=folder) as stack:
            yield Target(stack.url, account, token, model)


def check_target(target: Target) -> None:
    """Looks whether a target answers, and knows the token and the account.

    Raises:
        click.ClickException: It does not; says why.
    """
    headers = {"Authorization": f"Bearer {target.token}"}
    for path, what in (
        ("/client/v4/user/tokens/verify", "the token: give another TOKEN"),
        (
            f"/client/v4/accounts/{target.account}/ai/models/search?per_page=1",
            "the token for this account, or no ACCOUNT",
        ),
    ):
        try:
            answer = requests.get(target.url + path, headers=headers, timeout=120)
        except requests.RequestException as error:
            raise click.ClickException(f"{target.url} can't be reached ({type(error).__name__}): check BASE") from None
        if answer.status_code in REFUSALS:
            raise click.ClickException(f"{target.url} refuses {what} ({answer.status_code}: {answer.text[:200]})")


def compare(there: Target, here: Target) -> int:
    """Replays all exchanges against both and prints how they compare.

    Returns:
        How many differ in what is not deliberate.
    """
    unlike = 0
    for exchange, other in zip(read_exchanges(there), read_exchanges(here), strict=True):
        found = list(differences(send(there, exchange.request), send(here, other.request)))
        unlike += bool(found) and not exchange.deliberate
        click.echo(report(exchange, found))
    return unlike


def report(exchange: Exchange, found: list[str]) -> str:
    """What is said about an exchange."""
    if not found:
        return f"same       {exchange.name}"
    head = (
        f"deliberate {exchange.name}: {exchange.deliberate}" if exchange.deliberate else f"DIFFERENT  {exchange.name}"
    )
    return "\n             ".join([head, *found])


@click.command(help=__doc__)
@click.option("--base", envvar="BASE", required=True, help="Where the server is, such as https://api.cloudflare.com.")
@click.option("--account", envvar="ACCOUNT", required=True, help="The id of the account to act for.")
@click.option("--token", envvar="TOKEN", required=True, help="A token that may run models; best given as TOKEN.")
@click.option("--model", envvar="MODEL", default="@cf/meta/llama-3.1-8b-instruct-fast", help="The model to ask.")
def main(base: str, account: str, token: str, model: str) -> None:
    """Compares a server with Runstream; the exit status is 1 if they differ."""
    there = Target(base.rstrip("/").removesuffix("/client/v4"), account, token, model)
    check_target(there)
    with own_runstream(account, token, model) as here:
        click.echo(f"there is {there.url}, here is a Runstream at {here.url}; both are asked for {model}\n")
        try:
            unlike = compare(there, here)
        except requests.RequestException as error:
            raise click.ClickException(f"an exchange had no answer: {error}") from None
    click.echo(f"\n{unlike} differ" if unlike else "\nNo difference that is not deliberate")
    sys.exit(1 if unlike else 0)


if __name__ == "__main__":
    main()
