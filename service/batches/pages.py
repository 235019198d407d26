"""How an account's batches are listed: the size of a page, and the token that asks for the next one."""

import base64
import binascii
import math
import struct
import uuid

from service.batches.records import BatchRecord, Cursor
from service.errors import InvalidRequestError

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

# The time and the id that the last batch of a page has, both of which its account knows. A place in the file's order
# would tell how many batches others have created.
_TOKEN = struct.Struct(">d16s")


def to_page_size(asked: int) -> int:
    """How many batches a page has at most.

    Raises:
        InvalidRequestError: It is negative.
    """
    if asked < 0:
        raise InvalidRequestError(f"page_size is {asked}; its range is 0 to {MAX_PAGE_SIZE}", "page_size")
    return min(asked or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def to_token(last: BatchRecord) -> str:
    """The token of the page behind a batch."""
    return base64.urlsafe_b64encode(_TOKEN.pack(last.created_at, uuid.UUID(last.id).bytes)).decode()


def to_cursor(token: str) -> Cursor | None:
    """The place that a token tells; None for the first page.

    Raises:
        InvalidRequestError: It is no token of `to_token`.
    """
    if not token:
        return None
    try:
        created_at, batch_id = _TOKEN.unpack(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, UnicodeError):
        created_at, batch_id = math.nan, b""
    if not math.isfinite(created_at):
        raise InvalidRequestError("page_token is none: send the next_page_token of a page as it is", "page_token")
    return Cursor(created_at, str(uuid.UUID(bytes=batch_id)))
