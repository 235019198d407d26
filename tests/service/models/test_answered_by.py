"""For which names a model answers, as batches ask: the same for which requests are answered by it."""

from dataclasses import replace

import pytest

from service.models.models import Models
from tests.support.fake_engine import make_loader, make_model, save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("stand_in", ["", "new"])
def test_a_model_answers_for_its_adapters_and_for_those_that_it_has_replaced(checkpoint, stand_in):
    new, other = make_model("new", checkpoint), make_model("other", checkpoint)
    adapter, old = replace(new.entry, id="adapter", parent="new"), replace(new.entry, id="old", replaced_by="new")
    catalog = {entry.id: entry for entry in (new.entry, other.entry, adapter, old)}
    models = Models(catalog, stand_in, make_loader(), lambda entry: new)
    models.add(new)
    models.add(other)
    for model in (new, other):
        expected = [name for name in catalog if models.answering(name).model is model]
        assert models.answered_by(model) == expected
    assert models.answered_by(new) == ["new", "adapter", "old"]
