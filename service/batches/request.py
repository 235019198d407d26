"""What a CreateBatch asks: checked whole, and as it is stored."""

import hashlib
import uuid
from collections.abc import Iterator

from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.records import NewBatch, NewItem
from service.errors import InvalidRequestError
from service.requests.checks import check_request
from service.requests.response_format import check_form

MAX_ITEMS = 10_000
MAX_ACCOUNT_CHARACTERS = 128
MAX_REFERENCE_CHARACTERS = 1024
# A status holds 400 characters of a message; a few examples tell more than the first violation at length.
_MAX_VIOLATIONS = 5

_NUM_UUID_CHARACTERS = 36


def check_account(account: str) -> None:
    """Lets an account pass.

    Raises:
        InvalidRequestError: It is empty, too long, or not printable ASCII.
    """
    if not 1 <= len(account) <= MAX_ACCOUNT_CHARACTERS or not account.isascii() or not account.isprintable():
        message = f"account must have 1 to {MAX_ACCOUNT_CHARACTERS} printable ASCII characters"
        raise InvalidRequestError(message, "account")


def to_request_id(text: str) -> str:
    """A `request_id` as it is stored, in lower case; empty if there is none.

    Raises:
        InvalidRequestError: It is no UUID, or the nil UUID.
    """
    if not text:
        return ""
    try:
        parsed = uuid.UUID(text) if len(text) == _NUM_UUID_CHARACTERS else None
    except ValueError:
        parsed = None
    if not parsed or not parsed.int or str(parsed) != text.lower():
        message = "request_id must be a UUID, hexadecimal digits in groups of 8-4-4-4-12, and not the nil UUID"
        raise InvalidRequestError(message, "request_id")
    return str(parsed)


def to_new_batch(request: batches_pb2.CreateBatchRequest, request_id: str) -> NewBatch:
    """A batch as it is stored. It changes the request's items.

    Args:
        request: The request, whose account is right.
        request_id: Its id, as `to_request_id` has it.

    Raises:
        InvalidRequestError: There are too few items or too many, or some are wrong.
    """
    if not 1 <= len(request.items) <= MAX_ITEMS:
        message = f"the batch has {len(request.items)} items; its range is 1 to {MAX_ITEMS}"
        raise InvalidRequestError(message, "items", max_items=MAX_ITEMS)
    violations = list(_violations(request))
    if violations:
        told = "; ".join(f"{path}: {message}" for path, message in violations[:_MAX_VIOLATIONS])
        more = f"; and {len(violations) - _MAX_VIOLATIONS} more" if len(violations) > _MAX_VIOLATIONS else ""
        raise InvalidRequestError(told + more, violations[0][0], num_violations=len(violations))
    items = [_to_item(request, item) for item in request.items]
    return NewBatch(request.account, request.model, items, request_id, _digest(request) if request_id else b"")


def _violations(request: batches_pb2.CreateBatchRequest) -> Iterator[tuple[str, str]]:
    """The path and the fault of each item that is wrong."""
    for index, item in enumerate(request.items):
        path = f"items[{index}]"
        if len(item.external_reference) > MAX_REFERENCE_CHARACTERS:
            yield f"{path}.external_reference", f"it has more than {MAX_REFERENCE_CHARACTERS} characters"
        if item.request.model not in ("", request.model):
            yield f"{path}.request.model", "it must be the batch's or empty"
        if item.request.priority not in (pb.PRIORITY_UNSPECIFIED, pb.PRIORITY_BATCH):
            yield f"{path}.request.priority", "it must be PRIORITY_BATCH or unspecified"
        try:
            check_request(item.request)
            check_form(item.request)
        except InvalidRequestError as error:
            yield f"{path}.request", error.message


def _to_item(request: batches_pb2.CreateBatchRequest, item: batches_pb2.BatchItem) -> NewItem:
    asked = item.request
    asked.model, asked.priority = request.model, pb.PRIORITY_BATCH
    reference = item.external_reference if item.HasField("external_reference") else None
    return NewItem(reference, asked.SerializeToString())


def _digest(request: batches_pb2.CreateBatchRequest) -> bytes:
    """Tells requests with other items apart; call it when defaults are filled in, so that saying them is no matter."""
    told = batches_pb2.CreateBatchRequest(model=request.model, items=request.items)
    return hashlib.sha256(told.SerializeToString(deterministic=True)).digest()
