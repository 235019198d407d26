"""Captured steps give the tokens that eager ones give, for each captured number of sequences and those between."""

import pytest
import torch

from service.engine.forward.compiled_layers import compile_layers
from service.engine.forward.decode_graphs import CudaCapture, graph_sizes
from service.engine.forward.fused_decoder import FusedDecoder
from service.engine.startup.build import Backend
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import FAMILIES, make_engine, small_model
from tests.support.engines import outputs_of
from tests.support.recorded_operations import RecordedOperations

_EAGER = frozenset({Acceleration.ATTENTION})
_GRAPHS = _EAGER | {Acceleration.GRAPHS}


@pytest.fixture
def capture(device):
    return CudaCapture(torch.device(device)) if device == "cuda" else RecordedOperations()


@pytest.fixture
def max_num_seqs(device):
    return 64 if device == "cuda" else 8


@pytest.fixture
def engines(device, capture, max_num_seqs):
    """Makes two engines on one model, without graphs and with."""

    def make(family, dtype=torch.float32):
        model, bounds = small_model(family, device, dtype), {"max_num_seqs": max_num_seqs}
        backend = Backend(capture=capture)
        return make_engine(model, _EAGER, **bounds), make_engine(model, _GRAPHS, **bounds, backend=backend)

    return make


def tokens(engine, num_sequences, max_tokens):
    """Greedy tokens of sequences of many lengths; `max_tokens` tells how many each wants."""
    grown: dict[str, list[int]] = {str(place): [] for place in range(num_sequences)}
    for place in range(num_sequences):
        engine.submit(str(place), [3 + place] * (1 + 3 * place), SamplingParams(max_tokens(place)))
    while engine.has_work:
        for output in outputs_of(engine):
            grown[output.id].append(output.token_id)
    return grown


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_of_sequences_gets_the_same_tokens(family, engines, max_num_seqs):
    eager, captured = engines(family)
    sizes = graph_sizes(max_num_seqs)
    for num_sequences in sorted({*sizes, *(size - 1 for size in sizes if size > 1)}):
        assert tokens(captured, num_sequences, lambda place: 4) == tokens(eager, num_sequences, lambda place: 4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_that_shrinks_and_grows_gets_the_same_tokens(family, engines, max_num_seqs):
    eager, captured = engines(family)
    for _ in range(2):
        ours = tokens(captured, max_num_seqs + 1, lambda place: 2 + place)
        assert ours == tokens(eager, max_num_seqs + 1, lambda place: 2 + place)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_no_capture_is_left_out(dtype, engines, caplog):
    """A capture that fails, or that differs from its eager step by more than 1 %, is told of in the log."""
    engines("llama", dtype)
    assert "run without a CUDA graph" not in caplog.text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="on a CPU the stress tests compile")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_layers_are_compiled(dtype, device, caplog):
    decoder = FusedDecoder(small_model("llama", device, dtype))
    assert compile_layers(decoder) is not decoder, caplog.text
