"""The engine on quantized checkpoints: the tokens of transformers' own forward on the dequantised weights."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from service.catalog import load_catalog
from service.engine.forward.fused_decoder import can_fuse
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import finish, tokens_of
from tests.support.int8_checkpoints import save_int8
from tests.support.quantized_checkpoints import save_awq, save_gptq

PROMPTS = [[(step * 37 + row * 11 + 5) % 320 for step in range(size)] for row, size in enumerate((3, 40, 17))]
MAX_TOKENS = 24


QUANTIZED: dict[str, tuple[str, Callable[[Path], PreTrainedModel]]] = {
    "int8": ("int8", save_int8),
    "awq": ("awq", lambda folder: save_awq(folder, 128)),
    "awq-of-a-mistral": ("awq", lambda folder: save_awq(folder, 32, "mistral")),
    "gptq": ("gptq", lambda folder: save_gptq(folder, 128)),
    "gptq-in-act-order": ("gptq", lambda folder: save_gptq(folder, 32, is_act_order=True)),
    "gptq-of-8-bits": ("gptq", lambda folder: save_gptq(folder, 32, bits=8)),
}


class Operations(TorchDispatchMode):
    """Counts torch's operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def generate(model: Any, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": 320, "pad_token_id": 0}
    output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=MAX_TOKENS, **settings)
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens


@pytest.mark.parametrize("name", QUANTIZED)
def test_greedy_tokens_are_those_of_the_dequantised_weights(tmp_path: Path, name: str) -> None:
    quantization, save = QUANTIZED[name]
    reference = save(tmp_path)
    model = load_model(tmp_path, "cpu", "float32", quantization)
    assert can_fuse(model)
    engine = build_engine(model, EngineConfig(tmp_path), 128)
    for row, prompt in enumerate(PROMPTS):
        engine.submit(str(row), prompt, SamplingParams(MAX_TOKENS, temperature=0.0))
    outputs = finish(engine)
    for row, prompt in enumerate(PROMPTS):
        assert tokens_of(outputs, str(row)) == generate(reference, prompt)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["int8", "awq"])
def test_the_check_at_load_passes_in_half_precision(tmp_path: Path, name: str, dtype: str) -> None:
    quantization, save = QUANTIZED[name]
    save(tmp_path)
    engine = build_engine(load_model(tmp_path, "cpu", dtype, quantization), EngineConfig(tmp_path), 128)
    engine.submit("it", PROMPTS[1], SamplingParams(4, temperature=0.0))
    assert len(tokens_of(finish(engine), "it")) == 4


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(
    ("model_id", "name", "product"),
    [
        ("@cf/meta/llama-2-7b-chat-int8", "int8", "_weight_int8pack_mm"),
        ("@hf/thebloke/codellama-7b-instruct-awq", "awq", "_weight_int4pack_mm_for_cpu"),
    ],
)
def test_the_catalogs_dtype_has_packed_weights_read_as_they_are(
    tmp_path: Path, model_id: str, name: str, product: str
) -> None:
    QUANTIZED[name][1](tmp_path)
    entry = load_catalog()[model_id]
    model: Any = load_model(tmp_path, "cpu", entry.dtype, entry.quantization)
    token_ids = torch.ones((1, 1), dtype=torch.long)
    with torch.no_grad():
        model(token_ids)  # the first product of a shape is compared with the unpacked one
        with Operations() as ran:
            model(token_ids)
    assert ran.counts[product] == 2 * 7  # layers, products of each
