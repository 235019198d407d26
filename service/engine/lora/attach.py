"""Gives a loaded model its adapters: compares their layers with the model's, and reads their matrices."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from service.checkpoints.adapters import Adapter, LowRankShape, read_adapters, refusal
from service.engine.linears.merged import QUANTIZED
from service.engine.linears.plain import is_plain_linear
from service.engine.lora.kernel_trial import try_kernel
from service.engine.lora.low_rank import AdaptedLinear, LowRank
from service.engine.lora.rows import ActiveRows
from service.engine.sharding.layers import PARALLEL_LINEARS, Ranks, RowParallelLinear, shard_of
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedAdapters:
    """The adapters of a model that has them.

    Attributes:
        names: Theirs, by number.
        active: Where its layers see which rows use which.
        has_kernel: Whether they are multiplied by a kernel.
    """

    names: tuple[str, ...]
    active: ActiveRows
    has_kernel: bool


@dataclass(frozen=True, slots=True)
class _Layer:
    """A linear layer that adapters may change.

    Attributes:
        name: The name of what multiplies; within a sharded layer that is its shard.
        module: That.
        inputs, outputs: The sizes of the whole layer.
        ranks: Who shares it.
        is_cut_by_inputs: Whether its shards are of its inputs.
    """

    name: str
    module: Any
    ranks: Ranks | None = None
    is_cut_by_inputs: bool = False

    def takes(self, shape: LowRankShape) -> bool:
        """Whether matrices have the sizes of the whole layer."""
        inputs, outputs, size = self.module.in_features, self.module.out_features, self._world_size
        if self.is_cut_by_inputs:
            return (inputs * size, outputs) == (shape.inputs, shape.outputs)
        return inputs == shape.inputs and shape.outputs in (outputs, outputs * size)

    def shard_of_first(self, first: torch.Tensor) -> torch.Tensor:
        """This rank's part of [rank, inputs]."""
        return shard_of(first, 1, self.ranks) if self.ranks and self.is_cut_by_inputs else first

    def shard_of_second(self, second: torch.Tensor) -> torch.Tensor:
        """This rank's part of [outputs, rank]."""
        return shard_of(second, 0, self.ranks) if self.ranks and len(second) != self.module.out_features else second

    @property
    def _world_size(self) -> int:
        return self.ranks.world_size if self.ranks else 1


def attach_adapters(model: PreTrainedModel, config: EngineConfig, ranks: Ranks | None = None) -> LoadedAdapters | None:
    """Exchanges the layers that a config's adapters change.

    Args:
        model: The loaded model, on its device.
        config: Names the adapters; with `Acceleration.LINEARS` the kernel multiplies, if it works.
        ranks: Who shares the model, if it is sharded.

    Returns:
        None if there are none.

    Raises:
        CheckpointError: An adapter is for another model, or can't be used.
        OSError: A file can't be read.
    """
    if not config.adapters:
        return None
    adapters = read_adapters(config.adapters)
    layers = dict(_layers(model, ranks))
    head = _name_of_head(model)
    for adapter in adapters:
        _check(adapter, layers, head, model.config.model_type)
        _warn_of_another_base(adapter, config.checkpoint)
    active = ActiveRows()
    names = [name for name in layers if any(name in adapter.shapes for adapter in adapters)]
    stacks = _read(adapters, {name: layers[name] for name in names}, model)
    kernel = try_kernel(stacks.values()) if Acceleration.LINEARS in config.accelerations else None
    for name, (first, second, own_ranks) in stacks.items():
        layer = layers[name]
        adapted = AdaptedLinear(layer.module, LowRank(first, second, own_ranks, kernel), active)
        model.set_submodule(layer.name, adapted)
    return LoadedAdapters(tuple(adapter.name for adapter in adapters), active, kernel is not None)


def _layers(model: PreTrainedModel, ranks: Ranks | None) -> Iterator[tuple[str, _Layer]]:
    """The linear layers but the head, by the name that they have in the model's class."""
    head = _name_of_head(model)
    for name, module in model.named_modules():
        if name == head or name.startswith(f"{head}."):
            continue
        if isinstance(module, PARALLEL_LINEARS):
            yield name, _Layer(f"{name}.shard", module.shard, ranks, isinstance(module, RowParallelLinear))
        elif (is_plain_linear(module) or isinstance(module, QUANTIZED)) and not name.endswith(".shard"):
            yield name, _Layer(name, module, ranks)


def _name_of_head(model: PreTrainedModel) -> str:
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return next((name for name, module in model.named_modules() if module is head), "lm_head")


def _check(adapter: Adapter, layers: dict[str, _Layer], head: str, model_type: str) -> None:
    """Refuses an adapter of another model, and one of which weights are missing."""
    if (own := adapter.config.model_type) not in ("", model_type):
        raise refusal(adapter.name, f"it is for models of type {own}, and its base is of type {model_type}")
    for name, shape in adapter.shapes.items():
        layer = layers.get(name)
        if name == head:
            raise refusal(adapter.name, f"it changes the head, {name}, which is not done here: train it without")
        if layer is None:
            raise refusal(adapter.name, f"its base has no linear layer {name}: was it trained on another model?")
        if not layer.takes(shape):
            raise refusal(
                adapter.name,
                f"its matrices for {name} are for {shape.inputs} inputs and {shape.outputs} outputs, and that layer of "
                "its base has others: was it trained on another model?",
            )
    if missing := sorted(name for name in layers if name not in adapter.shapes and adapter.config.is_target(name)):
        raise refusal(adapter.name, f"the matrices of {len(missing)} of its layers are missing, such as {missing[0]}")


def _warn_of_another_base(adapter: Adapter, checkpoint: Path) -> None:
    """Tells if an adapter names another checkpoint: one of the same sizes is taken, and fits less well."""
    base = adapter.config.base
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", base):
        return  # a folder of the machine where it was trained
    if f"models--{base.replace('/', '--')}" not in checkpoint.parts and base.rpartition("/")[2] != checkpoint.name:
        _log.warning("the LoRA adapter %s was trained on %s, and its base here is %s", adapter.name, base, checkpoint)


def _read(
    adapters: Sequence[Adapter], layers: dict[str, _Layer], model: PreTrainedModel
) -> dict[str, tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]]:
    """The matrices of all adapters for each layer, on the model's device, and their ranks."""
    with ExitStack() as files:
        opened = [files.enter_context(safe_open(it.weights, framework="pt")) for it in adapters]
        return {name: _stack(name, layer, adapters, opened, model) for name, layer in layers.items()}


def _stack(
    name: str, layer: _Layer, adapters: Sequence[Adapter], files: Sequence[Any], model: PreTrainedModel
) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
    ranks = tuple(adapter.shapes[name].rank if name in adapter.shapes else 0 for adapter in adapters)
    dtype, device = model.dtype, model.device
    firsts = torch.zeros((len(ranks), max(ranks), layer.module.in_features), dtype=dtype, device=device)
    seconds = torch.zeros((len(ranks), layer.module.out_features, max(ranks)), dtype=dtype, device=device)
    for place, (adapter, file) in enumerate(zip(adapters, files, strict=True)):
        if rank := ranks[place]:
            key = f"base_model.model.{name}.lora_"
            first, second = file.get_tensor(f"{key}A.weight"), file.get_tensor(f"{key}B.weight").float()
            firsts[place, :rank] = layer.shard_of_first(first)
            seconds[place, :, :rank] = layer.shard_of_second(second * adapter.config.scaling_of(name))
    return firsts, seconds, ranks
