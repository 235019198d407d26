"""What an engine's process does before there is an engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.checkpoints.need import Need, need_of
from service.engine.device import NoDeviceError
from service.engine.process.loading import NoRoomError, check_room, load_engine, throttled
from service.engine.progress import progress_told
from service.engine.weights.placing import place
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import Loading
from tests.support.checkpoints import tiny_model
from tests.support.fake_engine import Clock

Checkpoint = Callable[[str], Path]
MIB = 1 << 20


def test_what_an_engine_needs_is_its_weights_in_its_dtype_and_its_kv_cache(checkpoint: Checkpoint) -> None:
    num_weights = sum(parameter.numel() for parameter in tiny_model().parameters())
    for dtype, size_bytes in (("float32", 4), ("bfloat16", 2)):
        need = need_of(EngineConfig(checkpoint("llama"), dtype=dtype, kv_cache_memory_mib=3))
        assert need == Need(num_weights * size_bytes, 3 * MIB)


def test_a_cuda_device_with_too_little_memory_is_refused_with_what_it_has(checkpoint: Checkpoint) -> None:
    config = EngineConfig(checkpoint("llama"), device="cuda:1", kv_cache_memory_mib=512)
    need = need_of(config)
    check_room(config, lambda device: (need.total_bytes, 1 << 40))
    with pytest.raises(NoRoomError, match=r"it needs 0\.54 GB .*, and cuda:1 has 0\.54 GB free") as caught:
        check_room(config, lambda device: (need.total_bytes - 1, 1 << 40))
    assert caught.value.free_bytes == need.total_bytes - 1


def test_a_device_that_is_not_there_is_told_by_its_name(checkpoint: Checkpoint) -> None:
    with pytest.raises(NoDeviceError, match=r"there is no cuda:99: PyTorch 2\..* sees \d+ CUDA devices here"):
        load_engine(EngineConfig(checkpoint("llama"), device="cuda:99"), lambda loading: None)


def test_all_weights_are_told_of_when_a_model_is_placed() -> None:
    told: list[tuple[str, int, int]] = []
    model = tiny_model()
    num_bytes = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    with progress_told(lambda *progress: told.append(progress)):
        place(model, "cpu")
    place(model, "cpu")
    assert told[-1] == ("loading", num_bytes, num_bytes)
    assert [done_bytes for _, done_bytes, _ in told] == sorted(done_bytes for _, done_bytes, _ in told)


def test_progress_is_told_once_in_a_second_and_in_twentieths() -> None:
    clock, told = Clock(), list[Loading]()
    report = throttled(told.append, clock)
    for clock.now_s, what, done_bytes in (
        *((0.5, "reading", 10), (1.0, "reading", 20), (1.5, "reading", 90), (2.0, "reading", 24)),
        *((2.1, "reading", 25), (9.0, "reading", 100), (9.5, "loading", 20), (10.0, "loading", 21)),
    ):
        report(what, done_bytes, 100)
    assert [(loading.what, loading.done) for loading in told] == [
        *(("reading", 20), ("reading", 25), ("reading", 100), ("loading", 21))
    ]


def test_progress_is_told_in_gigabytes_or_pieces() -> None:
    assert str(Loading("loading", 4_210_000_000, 13_480_000_000)) == "loading: 4.2 of 13.5 GB"
    assert str(Loading("capturing graphs", 3, 35, is_bytes=False)) == "capturing graphs: 3 of 35"
