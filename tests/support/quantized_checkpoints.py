"""Tiny checkpoints in the formats of TheBloke's AWQ and GPTQ repositories, packed as AutoAWQ and AutoGPTQ pack.

Words are put together here code by code in numpy, so that nothing is shared with what takes them apart.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from tests.support.checkpoints import tiny_model

_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight outputs is in each nibble (`WQLinear_GEMM.from_linear` in AutoAWQ)."""

AWQ_CONFIG: dict[str, Any] = {"bits": 4, "quant_method": "awq", "version": "gemm", "zero_point": True}
"""As TheBloke/CodeLlama-7B-Instruct-AWQ has it, but for the group size."""

GPTQ_CONFIG: dict[str, Any] = {
    "bits": 4,
    "damp_percent": 0.1,
    "desc_act": False,
    "model_file_base_name": "model",
    "model_name_or_path": None,
    "quant_method": "gptq",
    "sym": True,
    "true_sequential": True,
}
"""As TheBloke/Llama-2-7B-Chat-GPTQ has it, but for the group size."""


@dataclass(frozen=True)
class Codes:
    """A matrix in codes: weight[input, output] = scales[group, output] * (codes[input, output] - zeros[group, output]).

    Attributes:
        codes: [inputs, outputs].
        zeros, scales: [groups, outputs]; scales in float16.
        groups: Each input's group, [inputs].
    """

    codes: np.ndarray
    zeros: np.ndarray
    scales: np.ndarray
    groups: np.ndarray

    def matrix(self) -> torch.Tensor:
        """The plain matrix, float32 [outputs, inputs]."""
        codes, zeros = self.codes.astype(np.float32), self.zeros.astype(np.float32)
        weight = self.scales.astype(np.float32)[self.groups] * (codes - zeros[self.groups])
        return torch.from_numpy(np.ascontiguousarray(weight.T))


def quantize(
    weight: torch.Tensor,
    bits: int,
    group_size: int,
    is_symmetric: bool = False,
    is_act_order: bool = False,
) -> Codes:
    """Rounds [outputs, inputs] to the nearest codes; in act order the groups are drawn from all inputs."""
    matrix = weight.detach().float().numpy().T
    inputs = matrix.shape[0]
    size = inputs if group_size == -1 else group_size
    groups = np.arange(inputs) // size
    if is_act_order:
        np.random.default_rng(0).shuffle(groups)
    most = 2**bits - 1
    codes = np.zeros(matrix.shape, np.int64)
    zeros, scales = [], []
    for group in range(inputs // size):
        rows = matrix[groups == group]
        low, high = np.minimum(rows.min(axis=0), 0), np.maximum(rows.max(axis=0), 0)
        if is_symmetric:
            high = np.maximum(-low, high)
            low = -high
        scale = ((high - low) / most).astype(np.float16)
        zero = np.full(low.shape, (most + 1) // 2) if is_symmetric else np.round(-low / scale).astype(np.int64)
        codes[groups == group] = np.clip(np.round(rows / scale) + zero, 0, most)
        zeros.append(np.clip(zero, 0, most))
        scales.append(scale)
    return Codes(codes, np.array(zeros), np.array(scales), groups)


def awq_tensors(it: Codes) -> dict[str, torch.Tensor]:
    """The tensors of a layer in AutoAWQ's GEMM layout."""
    return {
        "qweight": _pack_columns(it.codes, 4, _AWQ_ORDER),
        "qzeros": _pack_columns(it.zeros, 4, _AWQ_ORDER),
        "scales": torch.from_numpy(it.scales),
    }


def gptq_tensors(it: Codes, bits: int, is_v2: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a layer as AutoGPTQ writes them, or as gptqmodel does in its second format."""
    order = tuple(range(32 // bits))
    zeros = _pack_columns(it.zeros, bits, order)
    if not is_v2:
        # As gptqmodel goes back to the first format; where no zero is 0, AutoGPTQ's `zeros -= 1` is the same.
        zeros = zeros - int("".join(["0" * (bits - 1) + "1"] * (32 // bits)), 2)
    return {
        "qweight": _pack_columns(it.codes.T, bits, order).t().contiguous(),
        "qzeros": zeros,
        "scales": torch.from_numpy(it.scales),
        "g_idx": torch.from_numpy(it.groups.astype(np.int32)),
        "bias": torch.zeros(it.codes.shape[1], dtype=torch.float16),  # AutoGPTQ adds one to every layer
    }


def _pack_columns(codes: np.ndarray, bits: int, order: tuple[int, ...]) -> torch.Tensor:
    rows, columns = codes.shape
    words = np.zeros((rows, columns // len(order)), np.uint32)
    for word in range(words.shape[1]):
        for place, column in enumerate(order):
            words[:, word] |= codes[:, word * len(order) + column].astype(np.uint32) << np.uint32(bits * place)
    return torch.from_numpy(words.view(np.int32).copy())


def save_awq(folder: Path, group_size: int, family: str = "llama", **changes: Any) -> PreTrainedModel:
    """Saves a random model as AWQ and returns it with the plain matrices that its codes mean."""
    model = _half(family, changes)
    tensors = _replaced(model, lambda weight: (it := quantize(weight, 4, group_size), awq_tensors(it)))
    return _save(folder, model, tensors, AWQ_CONFIG | {"group_size": group_size})


def save_gptq(
    folder: Path,
    group_size: int,
    bits: int = 4,
    is_symmetric: bool = True,
    is_act_order: bool = False,
    is_v2: bool = False,
    family: str = "llama",
    **changes: Any,
) -> PreTrainedModel:
    """Saves a random model as GPTQ and returns it with the plain matrices that its codes mean."""
    model = _half(family, changes)

    def pack(weight: torch.Tensor) -> tuple[Codes, dict[str, torch.Tensor]]:
        codes = quantize(weight, bits, group_size, is_symmetric, is_act_order)
        return codes, gptq_tensors(codes, bits, is_v2)

    settings = {"bits": bits, "group_size": group_size, "desc_act": is_act_order, "sym": is_symmetric}
    layout = {"checkpoint_format": "gptq_v2"} if is_v2 else {}
    return _save(folder, model, _replaced(model, pack), GPTQ_CONFIG | settings | layout)


def _half(family: str, changes: dict[str, Any]) -> PreTrainedModel:
    model = tiny_model(family, **({"hidden_size": 128, "intermediate_size": 256} | changes))
    model.config.dtype = torch.float16
    return model


def _replaced(model: PreTrainedModel, pack: Any) -> dict[str, torch.Tensor]:
    """The checkpoint's tensors; gives the model's layers the matrices that they mean."""
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            codes, packed = pack(module.weight)
            module.weight = torch.nn.Parameter(codes.matrix(), requires_grad=False)
            del tensors[f"{name}.weight"]
            tensors |= {f"{name}.{part}": tensor for part, tensor in packed.items()}
    return tensors


def _save(
    folder: Path, model: PreTrainedModel, tensors: dict[str, torch.Tensor], quantization: dict[str, Any]
) -> PreTrainedModel:
    model.config.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantization}))
    assert model.generation_config is not None
    model.generation_config.save_pretrained(folder)
    save_file({name: it.contiguous() for name, it in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return model.train(mode=False)
