"""An account's batches, page by page."""

import base64

import pytest

from service.batches.pages import to_cursor, to_page_size, to_token
from service.batches.records import NewBatch, NewItem
from service.batches.store import BatchStore
from service.errors import InvalidRequestError
from tests.support.batch_requests import ACCOUNT
from tests.support.batch_setting import CLOSED, Setting, asked

TTL_S = 100.0


@pytest.fixture
def store(tmp_path):
    opened = BatchStore(tmp_path / "batches.sqlite", TTL_S)
    yield opened
    opened.close()


def stored(store, now, account="acc"):
    """The id of a new batch."""
    return store.create(NewBatch(account, "model", [NewItem(None, b"request")]), now).id


def pages(store, size, between=lambda: None, account="acc", now=1.0):
    """The ids of an account's batches, page by page as a client reads them; between two it does something else."""
    token, read = "", []
    while True:
        found = store.page(account, to_cursor(token), size + 1, now)
        read.append([record.id for record in found[:size]])
        if not found[size:]:
            return read
        token = to_token(found[size - 1])
        between()


def flat(read):
    """What stands on all pages."""
    return [batch_id for page in read for batch_id in page]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_are_newest_first_and_have_each_batch_once(store, size):
    ids = [stored(store, now=float(number)) for number in range(7)]
    read = pages(store, size)
    assert flat(read) == ids[::-1]
    assert {len(page) for page in read[:-1]} <= {size}


def test_what_is_created_meanwhile_moves_no_page(store):
    ids = [stored(store, now=1.0) for _ in range(6)]
    read = pages(store, 2, between=lambda: stored(store, now=2.0))
    assert sorted(flat(read)) == sorted(ids)


def test_what_is_deleted_meanwhile_ends_no_reading(store):
    ids = [stored(store, now=float(number)) for number in range(6)]
    gone = iter([ids[4], ids[0]])
    read = pages(store, 2, between=lambda: store.delete("acc", next(gone), 1.0))
    assert flat(read) == [ids[5], ids[4], ids[3], ids[2], ids[1]]


def test_an_account_sees_its_own_and_none_that_has_expired(store):
    mine, other = stored(store, now=1.0), stored(store, now=1.0, account="other")
    assert pages(store, 10) == [[mine]]
    assert pages(store, 10, account="other") == [[other]]
    (item, _) = store.waiting(["model"], (), 10)
    store.finish(item, b"result", 2.0, has_succeeded=True)
    assert pages(store, 10, now=102.0) == [[]]


def test_a_page_has_100_batches_unless_it_is_told_otherwise_and_never_more_than_1000():
    assert [to_page_size(asked) for asked in (0, 1, 1000, 1001, 2**31 - 1)] == [100, 1, 1000, 1000, 1000]
    with pytest.raises(InvalidRequestError, match="page_size is -1; its range is 0 to 1000"):
        to_page_size(-1)


@pytest.mark.parametrize(
    "token",
    ["x", "é", "a" * 31, "a" * 33, "x" * 1_000_000, base64.urlsafe_b64encode(b"\x7f\xf0" + bytes(22)).decode()],
)
def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(InvalidRequestError, match="page_token") as caught:
        to_cursor(token)
    assert caught.value.field == "page_token"


async def test_only_a_page_behind_which_there_are_more_has_a_token(tmp_path):
    kept = Setting(tmp_path / "others.sqlite")
    for _ in range(4):
        await kept.batches.create(asked(CLOSED))
    first, token = await kept.batches.page(ACCOUNT, 2, "")
    second, no_token = await kept.batches.page(ACCOUNT, 2, token)
    assert (len({batch.id for batch in [*first, *second]}), bool(token), no_token) == (4, True, "")
    await kept.batches.stop()
