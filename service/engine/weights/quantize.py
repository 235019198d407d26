"""Quantizes a checkpoint ahead of serving, as loading would but in the dtype that it is stored in.

It writes optimum-quanto's own form, which `QuantizedModelForCausalLM` of that package reads too. The tokenizer and
configs of the source stand beside it, and a card that says what was done.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import WEIGHTS, WEIGHTS_INDEX, weight_files
from service.checkpoints.headers import read_weights
from service.checkpoints.memory import in_gb, weights_bytes
from service.checkpoints.quantization import QUANTO_MAP, int8_folder, read_quantization
from service.engine.weights.int8 import STORED_NAMES, STORED_ONES, layers_to_quantize, quantize_matrix
from service.engine.weights.model_config import config_of_weights, read_model_config

_OTHER_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "LICENSE*")

_CARD = """# {name} with weights of 8 bits

Made from `{source}` by `python -m service quantize` with optimum-quanto {quanto} and torch {torch}.

- The matrices of {num_layers} linear layers are int8 (`qint8`): each output has one scale, its largest weight / 127.
- Embeddings, norms, biases and the language-model head are as they were.
- Weights take {after} instead of {before}.
- Nothing was trained or calibrated. The licence is the source's.
"""


def quantize_checkpoint(source: Path, report: Callable[[int, int], None]) -> Path:
    """Writes a checkpoint with int8 weights into the folder that `int8_folder` names.

    At most one of the source's files is in memory at a time.

    Args:
        source: A folder with plain weights in safetensors.
        report: Is told how many bytes are done and how many there are, after each tensor.

    Raises:
        CheckpointError: Its weights are quantized already, or it is not whole.
        OSError: It can't be read, the target can't be written or is there already, or there is not enough room.
    """
    target = int8_folder(source)
    if target.exists():
        raise FileExistsError(f"{target} is there already: delete it to quantize {source} again")
    names = _layers(source)
    files = weight_files(source)
    if not files:
        raise CheckpointError(f"{source} has neither {WEIGHTS} nor {WEIGHTS_INDEX}: only safetensors can be quantized")
    num_bytes = sum(file.stat().st_size for file in files)
    needed = weights_bytes(read_weights(source), quantization="int8")
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise OSError(f"{target.parent} has {in_gb(free)} free, and int8 weights take {in_gb(needed)}: free some")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        _write(source, files, partial, names, lambda done: report(done, num_bytes))
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def _write(source: Path, files: list[Path], target: Path, names: list[str], report: Callable[[int], None]) -> None:
    done = written = 0
    weight_map: dict[str, str] = {}
    for file in files:
        tensors: dict[str, torch.Tensor] = {}
        for name, tensor in _tensors(file):
            layer = name.removesuffix(".weight")
            tensors |= _quantized(layer, tensor) if layer in names else {name: tensor}
            done += tensor.nbytes
            report(done)
        save_file(tensors, target / file.name, {"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file.name)
        written += sum(tensor.nbytes for tensor in tensors.values())
    _copy_others(source, target)
    if len(files) > 1:
        index = {"metadata": {"total_size": written}, "weight_map": weight_map}
        (target / WEIGHTS_INDEX).write_text(json.dumps(index, indent=2))
    kind = {"weights": "qint8", "activations": "none"}
    (target / QUANTO_MAP).write_text(json.dumps(dict.fromkeys(names, kind), indent=4))
    card = _CARD.format(
        name=source.name,
        source=source,
        quanto=version("optimum-quanto"),
        torch=torch.__version__,
        num_layers=len(names),
        after=in_gb(written),
        before=in_gb(done),
    )
    (target / "README.md").write_text(card)


def _layers(source: Path) -> list[str]:
    config = read_model_config(source)
    stored = read_quantization(source, config_of_weights(config), "")
    if stored is not None:
        raise CheckpointError(f"the weights of {source} are {stored.method} already: name a checkpoint of plain ones")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
    return layers_to_quantize(model)


def _tensors(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - no dict
            yield name, tensors.get_tensor(name)


def _quantized(layer: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    codes, scale = quantize_matrix(weight)
    ones = {layer + name: torch.ones((), dtype=weight.dtype) for name in STORED_ONES}
    return {layer + STORED_NAMES["weight"]: codes, layer + STORED_NAMES["scale"]: scale} | ones


def _copy_others(source: Path, target: Path) -> None:
    for pattern in _OTHER_FILES:
        for file in source.glob(pattern):
            if file.name != WEIGHTS_INDEX:
                shutil.copyfile(file, target / file.name)
