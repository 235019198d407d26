"""Prompts that attend in one call, beside each by itself in float32."""

import pytest
import torch

from service.engine.attention.flex import FlexAttention, compiled_flex
from service.engine.attention.packed_prefill import PackedPrefill, PrefillAttention
from service.engine.attention.varlen import VarlenAttention, library_varlen
from service.engine.kernels.attention_params import AttentionParams
from service.engine.tolerances import relative_error
from service.engine_protocol.acceleration import PREFILLS, Acceleration
from tests.support.ragged_attention import CASES, ragged_step, varlen_as_documented

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

_TOLERANCES = {torch.bfloat16: 1e-2, torch.float16: 2e-3}
_MANY = [(0, 700), (1500, 600), (0, 33), (90, 1), (4000, 300)]


@pytest.fixture(scope="module", params=sorted(PREFILLS))
def way(request: pytest.FixtureRequest, device: str) -> PrefillAttention:
    is_cpu = device == "cpu"
    if request.param == Acceleration.VARLEN:
        return VarlenAttention(varlen_as_documented if is_cpu else library_varlen(torch.device(device)))
    return FlexAttention() if is_cpu else FlexAttention(compiled_flex())


@pytest.mark.parametrize("dtype", _TOLERANCES, ids=str)
@pytest.mark.parametrize("num_heads", [2, 8])
@pytest.mark.parametrize("window", [None, 7, 128])
def test_prompts_attend_to_what_each_attends_to_by_itself(way, dtype, num_heads, window, device):
    for case in [*CASES.values()] if device == "cpu" else [*CASES.values(), _MANY]:
        step = ragged_step(case, num_heads, head_size=64).to("cpu", dtype)
        params, there = AttentionParams(0.125, window), step.to(device, dtype)
        expected = step.to("cpu", torch.float32).by_themselves(params)
        attended = PackedPrefill(way, there.chunks).attend(*there.states, params)
        assert relative_error(attended.cpu(), expected) < _TOLERANCES[dtype]
