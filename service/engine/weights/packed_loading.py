"""Lets transformers load checkpoints whose linear layers are packed, without ever building the plain ones.

Its own quantizers of AWQ and GPTQ need gptqmodel, that of quanto needs accelerate. This one puts modules of the packed
shapes into a model that has no memory yet, so that the weights come straight from the mapped files.
"""

import re
from collections.abc import Collection, Mapping, Set
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import Weight, read_headers, stored_layers
from service.checkpoints.quantization import Quantization
from service.engine.linears.codes import int8_codes_linear
from service.engine.linears.kernel_trials import use_kernels
from service.engine.linears.quantized import GroupedLinear, Int8Linear
from service.engine.linears.tinygemm import make_grouped_linear
from service.engine.progress import tell_progress
from service.engine.weights.gguf_layers import GgufLayer
from service.engine.weights.int8 import STORED_NAMES, STORED_ONES, QuantizeAtLoad, layers_to_quantize
from service.engine.weights.packed_layers import AwqWeights, GptqWeights, MakeLinear
from service.engine.weights.stored_weights import UNUSED_PARTS, StoredWeights
from service.engine_protocol.acceleration import Acceleration

_NAME = "runstream"
_PLACES = (AwqWeights, GptqWeights, GgufLayer, StoredWeights)
_PACKED_NAME = {"awq": ".qweight", "gptq": ".qweight", "int8": STORED_NAMES["weight"]}


@register_quantization_config(_NAME)
class PackedConfig(QuantizationConfigMixin):
    """The config that transformers hands to `PackedLoader`.

    Args:
        quantization: How the weights are stored.
        named: What else the config's dictionary has: the name by which transformers finds the two.

    Attributes:
        quant_method: This name.
    """

    quant_method = _NAME  # type: ignore[assignment]  # transformers' enum has only its own

    def __init__(self, quantization: Quantization, **named: str) -> None:
        self.quantization = quantization


@register_quantizer(_NAME)
class PackedLoader(HfQuantizer):
    """Fills packed layers from a checkpoint, or quantizes its plain ones one by one."""

    quantization_config: PackedConfig

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> None:
        quantization = self.quantization_config.quantization
        stored = read_headers(map(Path, kwargs["checkpoint_files"] or ()))
        with torch.device("meta"):
            if quantization.is_by_layer:
                names = _place_each(model, stored, quantization)
            else:
                names = _place_all(model, stored, quantization)
        # So do classes of transformers what is not for them. If that ended, `load_model` would refuse these names.
        ignored = model._keys_to_ignore_on_load_unexpected or ()
        model._keys_to_ignore_on_load_unexpected = {*ignored, *_unused_names(quantization)}
        self._shapes = {name: _shapes(model.get_submodule(name)) for name in names}

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> PreTrainedModel:
        # transformers 5.17 compares no shapes where a quantizer is at work.
        wrong = [name for name, shapes in self._shapes.items() if _shapes(model.get_submodule(name)) != shapes]
        if wrong:
            raise CheckpointError(f"weights of {len(wrong)} layers have another shape than its config says: {wrong[0]}")
        return model

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **kwargs: Any) -> bool:
        module_name, _, name = param_name.rpartition(".")
        is_stored = self.quantization_config.quantization.is_stored
        return not is_stored and name == "weight" and isinstance(model.get_submodule(module_name), Int8Linear)

    def get_quantize_ops(self) -> QuantizeAtLoad:
        return QuantizeAtLoad()

    def is_serializable(self) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return False


def unpack_plain_layers(model: PreTrainedModel) -> None:
    """Exchanges the tensors of those layers that become plain ones, one by one, where they are.

    Raises:
        CheckpointError: A layer can't be used.
    """
    for name in [name for name, it in model.named_modules() if isinstance(it, StoredWeights) and not it.stays_packed]:
        _exchange(model, name, has_kernels=False)


def unpack_layers(model: PreTrainedModel, accelerations: Set[Acceleration] = frozenset()) -> None:
    """Exchanges the tensors of packed layers for layers that compute, one by one, on the model's device.

    Args:
        model: The model, whose layers are exchanged.
        accelerations: With LINEARS, those of 4 bits and int8 layers get kernels.

    Raises:
        CheckpointError: A layer can't be used.
    """
    has_kernels = Acceleration.LINEARS in accelerations
    # By name, so that nothing holds a layer's tensors once it is exchanged.
    sizes = {name: _size_bytes(module) for name, module in model.named_modules() if isinstance(module, _PLACES)}
    num_done, total = 0, sum(sizes.values())
    for name, size in sizes.items():
        _exchange(model, name, has_kernels)
        num_done += size
        tell_progress("unpacking", num_done, total)
    if has_kernels:
        use_kernels(model)
    else:
        _pack_int8_layers(model)


def _pack_int8_layers(model: PreTrainedModel) -> None:
    """Exchanges int8 layers on a CPU for those of compiled products, one by one, so that none is long held twice."""
    for name in [name for name, module in model.named_modules() if isinstance(module, Int8Linear)]:
        layer = model.get_submodule(name)
        assert isinstance(layer, Int8Linear)
        if (compiled := int8_codes_linear(layer)) is not None:
            model.set_submodule(name, compiled)


def _size_bytes(module: nn.Module) -> int:
    return sum(buffer.nbytes for buffer in module.buffers())


def _exchange(model: PreTrainedModel, name: str, has_kernels: bool) -> None:
    packed: Any = model.get_submodule(name)
    if packed.bias is not None and not packed.bias.any():
        packed.register_parameter("bias", None)

    def make(bits: int) -> MakeLinear:
        return GroupedLinear if has_kernels and bits == 4 else make_grouped_linear

    try:
        model.set_submodule(name, packed.to_linear(model.dtype, make))
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error


def _place_all(model: PreTrainedModel, stored: Collection[str], quantization: Quantization) -> list[str]:
    """Puts places into a model whose layers are packed alike; the names of these layers."""
    names = layers_to_quantize(model)
    if quantization.is_stored:
        ending = _PACKED_NAME[quantization.method]
        names = sorted(name.removesuffix(ending) for name in stored if name.endswith(ending))
    for name in names:
        linear = _linear(model, name, stored if quantization.method != "int8" else ())
        model.set_submodule(name, _place(linear, quantization))
    return names


def _place_each(model: PreTrainedModel, stored: Mapping[str, Weight], quantization: Quantization) -> list[str]:
    """Puts places into a model whose layers tell by their tensors how they are packed; the names of these layers."""
    layers = stored_layers(stored)
    for layer in layers:
        try:
            place = StoredWeights(_linear(model, layer.name, stored), layer, quantization.blocks)
        except CheckpointError as error:
            raise CheckpointError(f"{layer.name}: {error}") from error
        model.set_submodule(layer.name, place)
    return [layer.name for layer in layers]


def _unused_names(quantization: Quantization) -> list[str]:
    """Patterns of the tensors that are stored beside weights and are not read."""
    if quantization.is_by_layer:
        return list(UNUSED_PARTS)
    return [rf"{re.escape(name)}$" for name in STORED_ONES] if quantization.method == "int8" else []


def _linear(model: PreTrainedModel, name: str, stored: Collection[str]) -> nn.Linear:
    """A layer of a model's, with a bias if one of the stored tensors is it."""
    module = dict(model.named_modules()).get(name)
    if not isinstance(module, nn.Linear):
        raise CheckpointError(f"quantized weights would not be used: {model.config.model_type} has no linear {name}")
    if module.bias is None and f"{name}.bias" in stored:
        # AutoGPTQ gives every layer one, of zeros where the class has none.
        module.bias = nn.Parameter(module.weight.new_empty(module.out_features), requires_grad=False)
    return module


def _place(linear: nn.Linear, quantization: Quantization) -> nn.Module:
    if quantization.method == "int8":
        dtype = linear.weight.dtype
        layer = Int8Linear(linear.in_features, linear.out_features, linear.bias, dtype)
        if not quantization.is_stored:
            # transformers 5.17 casts what it reads to the dtype of its place before it asks for quantization.
            layer.weight = layer.weight.to(dtype)
        return layer
    kind = AwqWeights if quantization.method == "awq" else GptqWeights
    return kind(linear, quantization)


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: buffer.shape for name, buffer in module.named_buffers()}
