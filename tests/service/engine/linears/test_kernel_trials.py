"""Which layers get a kernel, up to how many rows, and that an engine with them computes what it computes without."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.kernel_trials import MAX_ROWS, Layer, make_product, ranges, tried_kernel, use_kernels
from service.engine.linears.merged import merged_kernel
from service.engine.linears.quantized import GroupedLinear, Int8Linear, Kernel
from service.engine.process.kernels_told import tried_kernels
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import TrialOutcome, Tried
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import finish, tokens_of
from tests.support.int8_checkpoints import save_int8
from tests.support.quantized_checkpoints import save_awq, save_gptq

PROMPT = [(step * 37 + 5) % 320 for step in range(5)]
LINEARS = frozenset({Acceleration.LINEARS})
SAVED: dict[str, Callable[[Path], PreTrainedModel]] = {
    "int8": save_int8,
    "awq": lambda folder: save_awq(folder, 128),
    "gptq-in-act-order": lambda folder: save_gptq(folder, 64, is_act_order=True),
}

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA, Triton does not compute on a CPU")


def loaded(folder: Path, name: str, dtype: str, accelerations: frozenset[Acceleration]) -> PreTrainedModel:
    quantization = "int8" if name == "int8" else ""
    return load_model(folder, "cpu", dtype, quantization, accelerations=accelerations)


@pytest.mark.parametrize("name", SAVED)
@torch.inference_mode()
def test_logits_are_those_without_kernels(tmp_path: Path, name: str) -> None:
    SAVED[name](tmp_path)
    with_kernels, without = (loaded(tmp_path, name, "float16", it) for it in (LINEARS, frozenset[Acceleration]()))
    layers = [layer for layer in with_kernels.modules() if isinstance(layer, Int8Linear | GroupedLinear)]
    assert len(layers) == 14
    assert all(layer.kernel is not None for layer in layers)
    ours, theirs = (model(torch.tensor([PROMPT])).logits.float() for model in (with_kernels, without))
    assert (ours - theirs).norm() < 2e-3 * theirs.norm()


@pytest.mark.parametrize(
    "others", [set(), {Acceleration.ATTENTION, Acceleration.OVERLAP}], ids=["alone", "with others"]
)
def test_an_engine_with_kernels_gives_the_tokens_of_one_without(tmp_path: Path, others: set[Acceleration]) -> None:
    SAVED["int8"](tmp_path)
    tokens = []
    for accelerations in (LINEARS | others, frozenset[Acceleration]()):
        config = EngineConfig(tmp_path, accelerations=accelerations)
        engine = build_engine(loaded(tmp_path, "int8", "float32", accelerations), config, 128)
        engine.submit("it", PROMPT, SamplingParams(3, temperature=0.0))
        tokens.append(tokens_of(finish(engine), "it"))
    assert tokens[0] == tokens[1]


def grouped(inputs: int = 64, group_size: int = 32) -> GroupedLinear:
    generator = torch.Generator().manual_seed(0)
    codes, zeros = (
        torch.randint(16, (32, count), dtype=torch.uint8, generator=generator)
        for count in (inputs, inputs // group_size)
    )
    scales = torch.rand(zeros.shape, generator=generator)
    return GroupedLinear(GroupedWeights(codes, scales, zeros, 4), torch.float16)


def product_of(layer: Layer) -> Callable[..., torch.Tensor]:
    multiply = make_product(layer)
    assert multiply is not None
    return multiply


@pytest.mark.parametrize(
    ("paying", "used"),
    [
        ({1, 2, 4, 8, 16, 32, 64}, "1-64"),
        ({1, 2, 4, 8, 16}, "1-16"),
        ({1}, "1"),
        ({8, 16}, "5-16"),
        ({1, 2, 64}, "1-2, 33-64"),
    ],
)
def test_a_kernel_is_used_for_the_numbers_of_rows_at_which_it_was_quicker(paying: set[int], used: str) -> None:
    layer = grouped()
    times = iter([time for count in (1, 2, 4, 8, 16, 32, 64) for time in (1.0, 2.0 if count in paying else 0.5)])
    kernel = tried_kernel(layer, product_of(layer), lambda call: next(times))
    assert kernel is not None
    assert ranges(kernel.row_counts) == used


def counting(layer: Layer, called: list[int]) -> Callable[..., torch.Tensor]:
    def multiply(*inputs: torch.Tensor) -> torch.Tensor:
        called.append(inputs[0].shape[0])
        return product_of(layer)(*inputs)

    return multiply


def test_other_numbers_of_rows_are_multiplied_without_the_kernel() -> None:
    layer, called = grouped(), list[int]()
    layer.kernel = Kernel(counting(layer, called), {3, MAX_ROWS})
    for count in (1, 2, 3, 4, MAX_ROWS, MAX_ROWS + 1):
        rows = torch.randn(count, 64).half()
        expected = rows.float() @ layer.dequantized(torch.float32).t()
        assert (layer(rows) - expected).norm() < 2e-3 * expected.norm()
    assert called == [3, MAX_ROWS]


def test_layers_that_become_one_have_a_kernel_where_it_pays_in_each() -> None:
    first, second, third = (Kernel(product_of(grouped()), counts) for counts in ({1, 2, 3}, {2, 3, 4}, {9}))
    merged = merged_kernel([first, second])
    assert merged is not None
    assert merged.row_counts == {2, 3}
    assert merged_kernel([first, third]) is None
    assert merged_kernel([first, None]) is None


def test_what_has_a_kernel_is_told_once_for_each_size() -> None:
    layers = torch.nn.ModuleList([grouped(), grouped(), grouped(inputs=128), torch.nn.Linear(2, 2)])
    assert tried_kernels(layers) == ()
    use_kernels(layers)
    assert tried_kernels(layers) == (
        Tried("kernels", "a 4-bit layer of 32 x 64", TrialOutcome.USED, "for 1-64 rows"),
        Tried("kernels", "a 4-bit layer of 32 x 128", TrialOutcome.USED, "for 1-64 rows"),
    )


def test_a_kernel_that_never_pays_is_not_used() -> None:
    layer = grouped()
    times = iter([2.0, 1.0] * 7)
    assert tried_kernel(layer, product_of(layer), lambda call: next(times)) is None


def test_a_wrong_kernel_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    layer = grouped()
    multiply = product_of(layer)
    wrong = tried_kernel(layer, lambda *inputs: multiply(*inputs) * 1.05, None)
    assert wrong is None
    assert "wrong for 1 rows" in caplog.text


def test_what_a_kernel_does_not_know_goes_without_it(caplog: pytest.LogCaptureFixture) -> None:
    layer = grouped(group_size=8)
    use_kernels(torch.nn.ModuleList([layer]))
    assert layer.kernel is None
    assert "4-bit layer of 32 x 64 goes without a kernel" in caplog.text


def test_a_kernel_that_raises_is_left_out_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    layer = grouped()

    def timer(call: Callable[[], object]) -> float:
        raise RuntimeError("no such device")

    use_kernels(torch.nn.ModuleList([layer]), timer)
    assert layer.kernel is None
    assert "goes without its kernel: RuntimeError: no such device" in caplog.text


def test_each_shape_is_timed_once() -> None:
    timed: list[float] = []

    def timer(call: Callable[[], object]) -> float:
        timed.append(1.0)
        return 1.0

    layers = [grouped(), grouped(), grouped(inputs=128)]
    use_kernels(torch.nn.ModuleList(layers), timer)
    assert all(layer.kernel is not None for layer in layers)
    assert len(timed) == 2 * 2 * 7
