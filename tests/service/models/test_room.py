"""What fits into a device's memory, and what the refusal of a model says."""

import pytest

from service.checkpoints.need import Budget, Need
from service.models.room import NoRoomError, Room
from tests.support.fake_engine import make_model

MIB = 1 << 20


@pytest.fixture
def models(tmp_path):
    made = [make_model(name, tmp_path) for name in ("small", "large", "new")]
    for model, weights_mib in zip(made, (100, 300, 400), strict=True):
        model.need = Need(weights_mib * MIB, 200 * MIB)
    return made


def take(room, model, models):
    """Gives a model its room, if there is some."""
    room.check(model, models)
    model.has_room = True


def refusal(models, budget, **seen) -> str:
    room = Room(budget)
    take(room, models[0], models)
    take(room, models[1], models)
    with pytest.raises(NoRoomError) as caught:
        room.check(models[2], models, **seen)
    return caught.value.message


def test_models_fit_up_to_the_last_byte(models):
    room = Room(Budget(["cuda"], 1400))
    for model in models:
        take(room, model, models)
    assert room.reserved(models) == 1400 * MIB


def test_a_refusal_says_what_is_needed_what_is_left_and_what_would_fit(models):
    assert refusal(models, Budget(["cuda:1"], 1399)) == (
        "new needs 0.63 GB (weights 0.42 GB, KV cache 0.21 GB), and 0.63 GB of 1.47 GB are left on cuda:1. "
        "Loaded: small (0.31 GB), large (0.52 GB). What would fit: it, with small or large unloaded; "
        "or it, with --kv-cache-memory-mib 199 or less; or it, with --memory-budget-mib 1400, if cuda:1 has that"
    )


def test_several_models_are_named_together_if_one_is_not_enough(models):
    message = refusal(models, Budget(["cuda"], 801))
    assert "What would fit: it, with small and large unloaded; or it, with --memory-budget-mib 1400" in message


def test_what_the_device_has_been_seen_to_have_counts(models):
    message = refusal(models, Budget(["cuda"], 0), free_bytes=450 * MIB)
    assert "and 0.47 GB are left on cuda" in message
    assert "--kv-cache-memory-mib 50 or less" in message
    assert "--memory-budget-mib" not in message


def test_a_model_with_two_engines_on_a_device_needs_everything_twice(models):
    models[2].need = Need(100 * MIB, 200 * MIB, num_engines=2)
    message = refusal(models, Budget(["cpu"], 1399))
    assert "new needs 0.63 GB (weights 0.10 GB, KV cache 0.21 GB, in each of 2 engines)" in message
    assert "--kv-cache-memory-mib 199 or less" in message


def test_a_kv_cache_that_gets_what_is_left_is_no_obstacle(models):
    room = Room(Budget(["cuda:0", "cuda:1"], 400))
    models[2].need = Need(400 * MIB)
    take(room, models[2], models)
    models[0].need = Need(100 * MIB)
    with pytest.raises(NoRoomError, match=r"weights 0\.10 GB, KV cache what is left.* left on cuda:0 and cuda:1"):
        room.check(models[0], models)


def test_without_a_budget_main_memory_bounds_what_fits(models):
    budget = Budget(["cpu"], 0)
    models[2].need = Need(budget.total_bytes, 1)
    with pytest.raises(NoRoomError, match="What would fit: a smaller model, or more memory"):
        Room(budget).check(models[2], models)


def test_a_model_that_has_failed_holds_nothing(models):
    room = Room(Budget(["cuda"], 1400))
    take(room, models[0], models)
    assert room.reserved(models) == models[0].need.total_bytes
    models[0].wait("its turn")
    models[0].fail("broken")
    assert room.reserved(models) == 0


def test_a_device_of_unknown_size_may_hold_any_model(models):
    assert Room(Budget(["cuda"], 0)).can_hold(models[2])
    assert not Room(Budget(["cuda"], 599)).can_hold(models[2])
