"""One table says what is done for a model type, and tests have a checkpoint of each that stands in it."""

import pytest

from service.engine.families import FAMILIES, Family, family_of
from service.engine.forward.fused_decoder import can_fuse
from tests.support import checkpoints
from tests.support.checkpoints import tiny_model


def test_each_checkpoint_has_its_row_and_each_row_its_checkpoint() -> None:
    assert {tiny_model(name).config.model_type for name in checkpoints.FAMILIES} == set(FAMILIES)


@pytest.mark.parametrize("name", checkpoints.FAMILIES)
def test_what_the_table_fuses_can_be_fused_and_nothing_else(name: str) -> None:
    model = tiny_model(name)
    assert can_fuse(model) is family_of(model.config.model_type).is_fused


def test_no_row_says_nothing() -> None:
    assert Family() not in FAMILIES.values()


def test_a_type_without_a_row_runs_through_its_class_alone() -> None:
    assert family_of("of_tomorrow") == Family()
    assert not can_fuse(tiny_model("cohere"))
