"""What of a CreateBatch is stored: defaults filled in, and what tells it from another."""

import uuid

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.batches.request import check_account, to_new_batch, to_request_id
from service.errors import InvalidRequestError
from tests.support.batch_requests import batch_of
from tests.support.running_service import MODEL, ask


def stored(*requests, **fields):
    """The requests of a batch as they are stored."""
    new = to_new_batch(batch_of(requests, **fields), "")
    return [pb.RunRequest.FromString(item.request) for item in new.items]


def test_an_item_gets_the_batchs_model_and_its_priority():
    (request,) = stored(pb.RunRequest(prompt=pb.Prompt(text="a")))
    assert (request.model, request.priority, request.cache_salt) == (MODEL, pb.PRIORITY_BATCH, "")


def test_an_item_keeps_a_salt_of_its_own():
    first, second = stored(pb.RunRequest(prompt=pb.Prompt(text="a"), cache_salt="mine"), ask())
    assert (first.cache_salt, second.cache_salt) == ("mine", "")


def test_no_more_than_five_violations_are_told_and_the_others_counted():
    with pytest.raises(InvalidRequestError, match=r"items\[4\].*; and 2 more$") as caught:
        stored(*[ask(max_tokens=0)] * 7)
    assert "items[5]" not in caught.value.message
    assert (caught.value.field, caught.value.metadata["num_violations"]) == ("items[0].request", "7")


def test_a_reference_of_1024_characters_is_stored_and_one_more_is_refused():
    (item,) = to_new_batch(batch_of([ask()], references=["x" * 1024]), "").items
    assert item.external_reference == "x" * 1024
    with pytest.raises(InvalidRequestError, match="more than 1024 characters"):
        to_new_batch(batch_of([ask()], references=["x" * 1025]), "")


@pytest.mark.parametrize("account", ["a", "x" * 128, "~ !"])
def test_an_account_has_1_to_128_printable_characters(account):
    check_account(account)


@pytest.mark.parametrize("account", ["", "x" * 129, "a\n", "\x7f", "é"])
def test_another_account_is_refused(account):
    with pytest.raises(InvalidRequestError, match="1 to 128 printable ASCII"):
        check_account(account)


def test_a_request_id_is_the_same_in_either_case():
    text = str(uuid.uuid4())
    assert to_request_id(text) == to_request_id(text.upper()) == text
    assert to_request_id("") == ""


@pytest.mark.parametrize("text", ["x", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "9f" * 16, "1" * 100_000])
def test_what_is_no_uuid_or_the_nil_one_is_no_request_id(text):
    with pytest.raises(InvalidRequestError, match="must be a UUID"):
        to_request_id(text)


def test_a_digest_depends_on_everything_that_is_stored_and_on_nothing_else():
    changed = [
        batch_of([ask(seed=1)]),
        batch_of([ask(), ask()]),
        batch_of([ask()], references=[""]),
        batch_of([ask()], references=["a"]),
        batch_of([ask(model="")], model="other"),
        batch_of([ask("other")]),
    ]
    requests = [to_new_batch(batch, "id").digest for batch in (batch_of([ask()]), batch_of([ask(model="")]), *changed)]
    assert requests[0] == requests[1]
    assert len(set(requests)) == 1 + len(changed)
    assert to_new_batch(batch_of([ask()]), "").digest == b""


def test_a_digest_is_one_of_the_entries_of_a_map_in_any_order():
    biases = {str(number): float(number) for number in range(50)}
    one, other = ask(), ask()
    for key, value in biases.items():
        one.sampling_params.logit_bias[int(key)] = value
    for key, value in reversed(biases.items()):
        other.sampling_params.logit_bias[int(key)] = value
    assert to_new_batch(batch_of([one]), "id").digest == to_new_batch(batch_of([other]), "id").digest
