"""The reasons that the contract lists are those that the service gives and that the bridge has an answer for."""

import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

from runstream.v1 import errors_pb2

from bridge.errors import RULES
from service.errors import RunstreamError

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "protos/runstream/v1/errors.proto"
PAGE = ROOT / "docs/grpc.md"
PREFIX = "ERROR_REASON_"
VALUE = re.compile(rf"((?:  //.*\n)+)  {PREFIX}(\w+) = \d+;")

NEVER_SENT = "UNSPECIFIED"
# An item's, and no status.
OF_ITEMS = {"CANCELLED"}
# The bridge shows the service its own token: that it is wrong, or no peer's, is no fault of the bridge's caller.
NO_CALLERS_FAULT = {"UNAUTHENTICATED", "PERMISSION_DENIED"}


def errors_of(error: type[RunstreamError]) -> Iterator[type[RunstreamError]]:
    """A class of errors, and all that are made of it."""
    yield error
    for narrower in error.__subclasses__():
        yield from errors_of(narrower)


# Tests may make some of their own.
ERRORS = [error for error in errors_of(RunstreamError) if error.__module__.startswith("service.")]
COMMENTS = {name: " ".join(re.findall(r"// (.*)", comment)) for comment, name in VALUE.findall(PROTO.read_text())}
REASONS = {name.removeprefix(PREFIX) for name, _ in errors_pb2.ErrorReason.items()} - {NEVER_SENT}


def test_the_contract_lists_every_reason_of_the_service_and_no_other():
    assert {error.reason for error in ERRORS} == REASONS - OF_ITEMS


def test_the_contract_tells_the_status_of_each_reason():
    told = {name: re.findall(r"Status ([A-Z_]+)", comment) for name, comment in COMMENTS.items()}
    assert {name: told[name] for name in REASONS - OF_ITEMS} == {error.reason: [error.code] for error in ERRORS}


def test_the_contract_tells_for_which_reasons_there_is_a_time_to_wait():
    told = {name for name, comment in COMMENTS.items() if "google.rpc.RetryInfo" in comment}
    can_tell = [error for error in ERRORS if error.retry_after_s or "retry_after_s" in signature(error).parameters]
    assert told == {error.reason for error in can_tell}


def test_reasons_are_given_in_one_module_so_that_none_is_left_out_here():
    gives = re.compile(r'^    reason = "[A-Z_]+"', re.MULTILINE)
    giving = [path for path in (ROOT / "service").rglob("*.py") if gives.search(path.read_text())]
    assert giving == [ROOT / "service/errors.py"]


def test_the_bridge_answers_nothing_that_neither_it_nor_the_service_says():
    texts = [path.read_text() for path in (ROOT / "bridge").rglob("*.py") if path != ROOT / "bridge/errors.py"]
    assert not {name for name in RULES.keys() - REASONS if not any(f'"{name}"' in text for text in texts)}


def test_the_bridge_has_an_answer_for_every_reason():
    assert {name for name in REASONS if name not in RULES} == NO_CALLERS_FAULT


def test_the_page_about_grpc_tells_status_and_http_status_of_each_reason():
    rows = re.findall(r"^\| ([A-Z_]+) \| ([A-Z_–]+) \| (\d+|–) \| ", PAGE.read_text(), re.MULTILINE)
    codes = {error.reason: error.code for error in ERRORS}
    statuses = {name: str(RULES[name].status) for name in RULES.keys() - OF_ITEMS}
    assert rows == [(name, codes.get(name, "–"), statuses.get(name, "–")) for name, *_ in rows]
    assert {name for name, *_ in rows} == REASONS
