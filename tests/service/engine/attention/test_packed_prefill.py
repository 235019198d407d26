"""All that prefill attend in one call as each does by itself, over the KV cache and beside others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from service.engine.attention.flex import FlexAttention
from service.engine.attention.packed_prefill import PackedPrefill, PrefillAttention
from service.engine.attention.varlen import VarlenAttention, library_varlen
from service.engine.kernels.attention_params import AttentionParams
from service.engine_protocol.acceleration import AccelerationError
from tests.support.ragged_attention import CASES, ragged_step, varlen_as_documented, varlen_of_2_11

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

WAYS = {
    "varlen": VarlenAttention(varlen_as_documented),
    "varlen of 2.11": VarlenAttention(varlen_of_2_11),
    "flex": FlexAttention(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("num_heads", [2, 8])
@pytest.mark.parametrize("window", [None, 7, 128])
def test_each_attends_as_by_itself(
    way: PrefillAttention, case: list[tuple[int, int]], num_heads: int, window: int | None
) -> None:
    step, params = ragged_step(case, num_heads), AttentionParams(0.3, window)
    together = PackedPrefill(way, step.chunks)
    for _ in range(2):  # the second layer uses the plan of the first
        torch.testing.assert_close(together.attend(*step.states, params), step.by_themselves(params))


def test_layers_of_one_step_may_have_other_windows_and_caps() -> None:
    step = ragged_step(CASES["chunks of prompts"], 4)
    together = PackedPrefill(FlexAttention(), step.chunks)
    for params in (AttentionParams(0.3), AttentionParams(0.2, 40, 2.0), AttentionParams(0.3, 5), AttentionParams(0.3)):
        torch.testing.assert_close(together.attend(*step.states, params), step.by_themselves(params))


def test_flex_sees_all_that_is_to_be_compiled_at_its_first_call_for_layers_of_a_kind() -> None:
    lengths = []

    def counting(queries: torch.Tensor, *rest: Any, **keywords: Any) -> torch.Tensor:
        lengths.append(queries.shape[2])
        attended: torch.Tensor = flex_attention(queries, *rest, **keywords)
        return attended

    step, params = ragged_step([(0, 700)], 4), AttentionParams(0.3)
    together = PackedPrefill(FlexAttention(counting), step.chunks)
    for _ in range(2):
        together.attend(*step.states, params)
    assert lengths == [256, 384, 768, 768]
    together.attend(*step.states, params._replace(softcap=2.0))
    assert lengths[4:] == [256, 384, 768]


@pytest.mark.parametrize("make", [VarlenAttention, FlexAttention])
def test_nothing_waits_for_the_device(make: Callable[[Callable[..., torch.Tensor]], PrefillAttention]) -> None:
    way = make(lambda query, *rest, **keywords: torch.empty_like(query))
    step = ragged_step(CASES["chunks of prompts"], 4).to(
        "meta", torch.float16
    )  # has no data, which nobody can wait for
    together = PackedPrefill(way, step.chunks)
    for params in (AttentionParams(0.3), AttentionParams(0.3, 40)):
        assert together.attend(*step.states, params).shape == (179, 4, 16)


def test_varlen_tells_what_it_does_not_do() -> None:
    step = ragged_step(CASES["one prompt"], 4)
    together = PackedPrefill(VarlenAttention(varlen_as_documented), step.chunks)
    with pytest.raises(AccelerationError, match="does not know capped scores"):
        together.attend(*step.states, AttentionParams(0.3, None, 2.0))
    with pytest.raises(AccelerationError, match="varlen does not run on cpu"):
        library_varlen(torch.device("cpu"))


def test_the_library_has_the_function_that_is_called() -> None:
    VarlenAttention(library_varlen(torch.device("cuda")))
