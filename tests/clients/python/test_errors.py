"""Errors mirror the reasons of the contract, and tell what the details of a status tell."""

import re

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from runstream import (
    AsyncClient,
    CallCancelledError,
    ContextWindowExceededError,
    DeadlineExceededError,
    InvalidRequestError,
    MessageTooLargeError,
    QueueFullError,
    RunstreamError,
    UnreachableError,
)
from runstream.errors import BY_REASON, DETAILS_KEY, from_reason, from_rpc
from runstream.v1 import errors_pb2

from tests.support.fake_service import failure
from tests.support.repository import ROOT

PROTO = ROOT / "protos/runstream/v1/errors.proto"
PREFIX = "ERROR_REASON_"
NEVER_SENT = "UNSPECIFIED"
OF_ITEMS = "CANCELLED"  # no call ends with it


async def error_of(fake, **options):
    """Makes a call that fails; the error."""
    async with AsyncClient(fake.target, max_attempts=1) as client:
        with pytest.raises(RunstreamError) as raised:
            await client.run("m", prompt="p", **options)
        return raised.value


def test_there_is_a_class_for_every_reason_of_the_contract_and_no_other():
    reasons = {name.removeprefix(PREFIX) for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118 - an enum's wrapper
    assert set(BY_REASON) == reasons - {NEVER_SENT}


def test_the_class_of_a_reason_has_the_status_that_the_contract_tells():
    told = re.findall(rf"Status\s+(?://\s+)?([A-Z_]+)[.,][^=]*?{PREFIX}(\w+) =", PROTO.read_text())
    assert {reason: code for code, reason in told} == {
        reason: kind.default_code.name for reason, kind in BY_REASON.items() if reason != OF_ITEMS
    }


async def test_an_error_tells_all_that_its_status_tells(fake):
    fake.status = failure(
        grpc.StatusCode.INVALID_ARGUMENT, "CONTEXT_WINDOW_EXCEEDED", "too long", field="prompt.text", retry_after_s=3
    )
    error = await error_of(fake)
    assert type(error) is ContextWindowExceededError
    assert isinstance(error, InvalidRequestError)
    assert (error.reason, error.message, str(error)) == ("CONTEXT_WINDOW_EXCEEDED", "too long", "too long")
    assert (error.code, error.field, error.retry_after_s) == (grpc.StatusCode.INVALID_ARGUMENT, "prompt.text", 3.0)


async def test_an_error_tells_the_metadata_and_the_requests_id(fake):
    fake.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full")
    info = error_details_pb2.ErrorInfo(
        reason="QUEUE_FULL", domain="runstream", metadata={"request_id": "abc", "model": "m"}
    )
    fake.status.details[0].Pack(info)
    error = await error_of(fake)
    assert type(error) is QueueFullError
    assert (error.request_id, error.metadata["model"], error.retry_after_s) == ("abc", "m", None)


async def test_a_reason_that_is_newer_than_the_client_is_an_error_like_others(fake):
    fake.status = failure(grpc.StatusCode.ABORTED, "BRAND_NEW", "new")
    error = await error_of(fake)
    assert type(error) is RunstreamError
    assert (error.reason, error.code) == ("BRAND_NEW", grpc.StatusCode.ABORTED)


async def test_the_reason_of_another_domain_is_none(fake):
    fake.status = failure(grpc.StatusCode.ABORTED, "QUEUE_FULL", "not ours", domain="else.where")
    assert (await error_of(fake)).reason == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, UnreachableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, MessageTooLargeError),
        (grpc.StatusCode.CANCELLED, CallCancelledError),
        (grpc.StatusCode.UNIMPLEMENTED, RunstreamError),
    ],
)
async def test_what_grpc_says_by_itself_has_no_reason(fake, code, kind):
    fake.status = failure(code, message="plain")
    error = await error_of(fake)
    assert (type(error), error.reason, error.code) == (kind, "", code)


@pytest.mark.parametrize("broken", [b"\xff", Status(details=[Any(type_url="/google.rpc.ErrorInfo", value=b"\xff")])])
def test_broken_details_are_as_good_as_none(broken):
    packed = broken if isinstance(broken, bytes) else broken.SerializeToString()
    trailing = grpc.aio.Metadata((DETAILS_KEY, packed))
    error = from_rpc(grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), trailing, "plain"))
    assert (type(error), error.message, error.reason, error.code) == (
        RunstreamError,
        "plain",
        "",
        grpc.StatusCode.ABORTED,
    )


async def test_the_clients_own_deadline_is_an_error_like_the_servers(fake):
    fake.gate.clear()
    error = await error_of(fake, timeout_s=0.05)
    assert (type(error), error.reason) == (DeadlineExceededError, "DEADLINE_EXCEEDED")


async def test_a_request_that_is_too_large_is_not_sent(fake):
    with pytest.raises(MessageTooLargeError, match=r"the request has 17\.0 MiB, and a message at most 16"):
        async with AsyncClient(fake.target) as client:
            await client.run("m", prompt="p" * 17 * 2**20)
    assert not fake.requests


def test_an_items_failure_is_the_error_that_a_call_would_raise():
    error = from_reason("MODEL_NOT_READY", "loading")
    assert (type(error).__name__, error.code) == ("ModelNotReadyError", grpc.StatusCode.UNAVAILABLE)
