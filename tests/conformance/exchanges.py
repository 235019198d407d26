"""The exchanges of the conformance suite: requests, and what holds of their answers, in the files beside this one.

A file in exchanges/ is a list of objects with these keys:

    name        what is asked, unique
    source      where the answer is known from
    deliberate  in what and why Runstream differs from Workers AI, if it does
    request     method, path; body (any JSON) or text (as it is sent); headers; authorization, null for none
    answer      an observation, as `observe` makes it

`<account>` and `<model>` stand for those that the suite is run with, `<encoded_model>` for the latter with %2F.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import requests

from tests.conformance.observation import observe

FOLDER: Final = Path(__file__).parent / "exchanges"
PATIENCE_S: Final = 120.0


@dataclass(frozen=True)
class Target:
    """A server to replay exchanges against.

    Attributes:
        url: Where it listens, without a path.
        account: The account to act for.
        token: A token of that account.
        model: The model to ask for.
    """

    url: str
    account: str
    token: str
    model: str


@dataclass(frozen=True)
class Exchange:
    """A request and what holds of its answer, with the target's account and model in place."""

    name: str
    source: str
    request: dict[str, Any]
    answer: dict[str, Any]
    deliberate: str = field(default="")


def read_exchanges(target: Target) -> list[Exchange]:
    """Reads all exchanges for a target, in the order of the files' names."""
    return [Exchange(**entry) for path in sorted(FOLDER.glob("*.json")) for entry in _entries(path, target)]


def send(target: Target, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request to a target; returns the observation of its answer.

    Raises:
        requests.RequestException: The target does not answer.
    """
    headers = dict(request.get("headers", {}))
    authorization = request.get("authorization", f"Bearer {target.token}")
    if authorization is not None:
        headers["Authorization"] = authorization
    text = request.get("text", json.dumps(request["body"]) if "body" in request else None)
    data = None if text is None else text.encode("utf-8")
    answer = requests.request(
        request["method"], target.url + request["path"], data=data, headers=headers, timeout=PATIENCE_S
    )
    return observe(answer.status_code, answer.headers, answer.content)


def _entries(path: Path, target: Target) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    for place, value in (
        ("<account>", target.account),
        ("<model>", target.model),
        ("<encoded_model>", quote(target.model, safe="@")),
    ):
        text = text.replace(place, value)
    entries: list[dict[str, Any]] = json.loads(text)
    return entries
