"""Which LoRA adapter a request is answered with, and what is refused."""

import pytest

from service.errors import InvalidRequestError, LoraUnsupportedError
from service.requests.adapters import choose_adapter

ADAPTERS = ["first", "second"]


@pytest.mark.parametrize(
    ("lora", "named", "chosen"),
    [("", "", ""), ("first", "", "first"), ("", "second", "second"), ("second", "second", "second")],
)
def test_it_is_the_one_that_is_named(lora, named, chosen):
    assert choose_adapter(lora, named, "@test/base", ADAPTERS, "") == chosen


@pytest.mark.parametrize(
    ("adapters", "stand_in", "message"),
    [
        ([], "", "The model @test/base does not support LoRa inference"),
        (
            ADAPTERS,
            "@test/other",
            "The model @test/base does not support LoRa inference: @test/other stands in for it, without adapters",
        ),
    ],
)
def test_where_there_is_none_that_is_the_reason(adapters, stand_in, message):
    with pytest.raises(LoraUnsupportedError) as caught:
        choose_adapter("first", "", "@test/base", adapters, stand_in)
    assert (caught.value.message, caught.value.field) == (message, "lora")


@pytest.mark.parametrize(
    ("lora", "named", "message"),
    [
        ("third", "", "lora is none of the adapters of @test/base; it has first, second"),
        ("first", "second", "lora is first, and @test/base is an adapter itself"),
    ],
)
def test_where_there_are_others_it_is_told_which(lora, named, message):
    with pytest.raises(InvalidRequestError) as caught:
        choose_adapter(lora, named, "@test/base", ADAPTERS, "")
    assert caught.value.reason == "INVALID_REQUEST"
    assert message in caught.value.message


def test_a_stand_in_answers_for_an_adapters_name_as_for_any_model():
    assert choose_adapter("", "", "first", [], "@test/other") == ""
