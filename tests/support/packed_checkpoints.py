"""Tiny checkpoints in packed forms, each written by the form's own tool where that runs on a CPU.

compressed-tensors is what llm-compressor saves with; rounding to nearest takes the place of its calibration here.
Of DeepSeek's and Neural Magic's 8-bit floats there is no such tool, so their tensors are made by their documentation.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn.modules import Int8Params, Linear4bit, Linear8bitLt, Params4bit
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus, apply_quantization_config
from compressed_tensors.quantization.utils import calculate_qparams
from compressed_tensors.quantization.utils.helpers import maybe_pad_tensor_for_block_quant
from safetensors.torch import save_file
from torch import nn
from transformers import CompressedTensorsConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from tests.support.checkpoints import tiny_model

SIZES = {"hidden_size": 128, "intermediate_size": 256}
_INT8 = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
_FLOAT8 = {"num_bits": 8, "type": "float", "symmetric": True}
_WORDS = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}
_BY_TOKEN = {"num_bits": 8, "strategy": "token", "dynamic": True, "symmetric": True}

SCHEMES: dict[str, dict[str, Any]] = {
    "W4A16": {"weights": _WORDS},
    "W4A16_ASYM": {"weights": _WORDS | {"symmetric": False}},
    "W4A16 by output": {"weights": _WORDS | {"strategy": "channel", "group_size": None}},
    "W8A16": {"weights": _WORDS | {"num_bits": 8}},
    "W8A8": {"weights": _INT8, "input_activations": _BY_TOKEN},
    "W8A8 asymmetric": {"weights": _INT8 | {"symmetric": False}, "input_activations": _BY_TOKEN},
    "W8A8 by matrix": {"weights": _INT8 | {"strategy": "tensor"}, "input_activations": _BY_TOKEN},
    "FP8_DYNAMIC": {
        "weights": _FLOAT8 | {"strategy": "channel"},
        "input_activations": _BY_TOKEN | {"type": "float"},
    },
    "FP8": {
        "weights": _FLOAT8 | {"strategy": "tensor"},
        "input_activations": _FLOAT8 | {"strategy": "tensor", "dynamic": False},
    },
    "FP8_BLOCK": {
        "weights": _FLOAT8 | {"strategy": "block", "block_structure": [128, 128]},
        "input_activations": _FLOAT8 | {"strategy": "group", "group_size": 128, "dynamic": True},
    },
}
"""llm-compressor's schemes by its names, in groups of 32, and some that its recipes can spell out."""


def save_compressed(folder: Path, scheme: str, family: str = "llama", dtype: torch.dtype = torch.float32) -> Path:
    """Saves a random model with compressed-tensors, as llm-compressor does.

    Args:
        folder: Where to.
        scheme: One of `SCHEMES`.
        family: See `tiny_model`.
        dtype: Of what stays plain, and of scales.
    """
    model: Any = tiny_model(family, **SIZES)
    model.to(dtype)
    config = {"config_groups": {"group_0": SCHEMES[scheme] | {"targets": ["Linear"]}}, "ignore": ["lm_head"]}
    apply_quantization_config(model, QuantizationConfig.model_validate(config))
    for module in model.modules():
        if (found := getattr(module, "quantization_scheme", None)) is not None:
            _round(module, found.weights)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(str(folder))
    return folder


def compressed_reference(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """What transformers loads with compressed-tensors."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that there is a config already
        loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, quantization_config=CompressedTensorsConfig(dequantize=True)
        )
    return loaded.train(mode=False)


def unpacked_reference(folder: Path) -> PreTrainedModel:
    """What transformers makes of a checkpoint of 8-bit floats or of bitsandbytes, once all its weights are plain.

    As they are, bitsandbytes' layers multiply in bfloat16 on a CPU, and those of 8 bits round what comes in.
    """
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if hasattr(loaded.config, "quantization_config"):
        loaded = loaded.dequantize()
    model: PreTrainedModel = loaded.train(mode=False)
    return model


def save_float8(folder: Path, kind: str, family: str = "llama", **settings: Any) -> PreTrainedModel:
    """Saves a random model with weights of 8-bit floats and returns it with the matrices that they mean.

    Args:
        folder: Where to.
        kind: "deepseek" (blocks of 64 x 64, `weight_scale_inv`), "neuralmagic" or "fbgemm".
        family: See `tiny_model`.
        settings: What the config says beside or otherwise.
    """
    model = tiny_model(family, **SIZES)
    tensors = dict(model.state_dict())
    for name, layer in _layers(model):
        weight = layer.weight.detach()
        if kind == "deepseek":
            high, wide = (-(-size // 64) for size in weight.shape)
            tiles = [
                [weight[64 * r : 64 * r + 64, 64 * c : 64 * c + 64].abs().max() for c in range(wide)]
                for r in range(high)
            ]
            scale = torch.tensor(tiles) / 448
            spread = scale.repeat_interleave(64, 0).repeat_interleave(64, 1)[: weight.shape[0], : weight.shape[1]]
            tensors[f"{name}.weight_scale_inv"] = scale
        elif kind == "neuralmagic":
            spread = weight.abs().max().reshape(1) / 448
            tensors |= {f"{name}.weight_scale": spread, f"{name}.input_scale": torch.ones(1)}
        else:
            spread = weight.abs().amax(1, keepdim=True) / 448
            tensors |= {f"{name}.weight_scale": spread}
        codes = (weight / spread).to(torch.float8_e4m3fn)
        tensors[f"{name}.weight"] = codes
        layer.weight = nn.Parameter(codes.float() * spread, requires_grad=False)
    configs: dict[str, dict[str, Any]] = {
        "deepseek": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [64, 64]},
        "neuralmagic": {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]},
        "fbgemm": {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0},
    }
    return _save(folder, model, tensors, configs[kind] | settings)


def save_bitsandbytes(folder: Path, kind: str, family: str = "llama", **settings: Any) -> PreTrainedModel:
    """Saves a random model in bitsandbytes' form, and returns it with the matrices that it makes of it.

    Args:
        folder: Where to.
        kind: "nf4", "fp4", with " double" behind for double quantization, or "int8".
        family: See `tiny_model`.
        settings: The `quantization_config`, if it is to be another one than transformers writes.
    """
    model = tiny_model(family, **SIZES)
    tensors = dict(model.state_dict())
    for name, layer in _layers(model):
        packed = _bitsandbytes_layer(layer, kind)
        tensors |= {f"{name}.{part}": tensor for part, tensor in packed.state_dict().items()}
        layer.weight = nn.Parameter(_bitsandbytes_matrix(packed), requires_grad=False)
    flags = {"load_in_4bit": kind != "int8", "load_in_8bit": kind == "int8"}
    return _save(folder, model, tensors, settings or {"quant_method": "bitsandbytes", **flags})


def _round(module: Any, scheme: Any) -> None:
    """Gives a layer the scales and zeros of its smallest and largest weights."""
    weight, shape = module.weight.detach(), module.weight_scale.shape
    if scheme.strategy == "block":
        parts = maybe_pad_tensor_for_block_quant(weight, (128, 128)).unfold(0, 128, 128).unfold(1, 128, 128)
        low, high = parts.amin((-1, -2)), parts.amax((-1, -2))
    else:
        rows = shape[0] if len(shape) == 2 else 1
        parts = weight.reshape(rows, shape[-1], -1)
        low, high = parts.amin(-1).reshape(shape), parts.amax(-1).reshape(shape)
    scale, zero = calculate_qparams(low, high, scheme)
    module.weight_scale.data = scale.reshape(shape).to(module.weight_scale.dtype)
    if hasattr(module, "weight_zero_point"):
        module.weight_zero_point.data = zero.reshape(shape).to(module.weight_zero_point.dtype)
    module.quantization_status = QuantizationStatus.FROZEN


def _bitsandbytes_layer(layer: nn.Linear, kind: str) -> nn.Module:
    packed: Any
    if kind == "int8":
        packed = Linear8bitLt(layer.in_features, layer.out_features, layer.bias is not None, has_fp16_weights=False)
        packed.weight = Int8Params(layer.weight.detach(), requires_grad=False, has_fp16_weights=False)
    else:
        name, _, double = kind.partition(" ")
        packed = Linear4bit(layer.in_features, layer.out_features, layer.bias is not None, quant_type=name)
        packed.weight = Params4bit(
            layer.weight.detach(), requires_grad=False, quant_type=name, compress_statistics=bool(double)
        )
    packed.bias = layer.bias
    quantized: nn.Module = packed.to("cpu")
    return quantized


def _bitsandbytes_matrix(packed: Any) -> torch.Tensor:
    from bitsandbytes.functional import dequantize_4bit

    weight: Any = packed.weight
    if isinstance(packed, Linear4bit):
        return dequantize_4bit(weight.data, weight.quant_state).float()
    return weight.CB.float() * weight.SCB.float()[:, None] / 127


def _layers(model: PreTrainedModel) -> list[tuple[str, nn.Linear]]:
    return [(name, it) for name, it in model.named_modules() if isinstance(it, nn.Linear) and name != "lm_head"]


def _save(
    folder: Path, model: PreTrainedModel, tensors: dict[str, torch.Tensor], quantization: dict[str, Any]
) -> PreTrainedModel:
    model.config.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": quantization}))
    assert model.generation_config is not None
    model.generation_config.save_pretrained(folder)
    save_file({name: it.contiguous() for name, it in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return model.train(mode=False)
