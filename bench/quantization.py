"""Weights of 32, 16, 8 and 4 bits side by side: tokens per second and memory of a Llama of 110 million parameters.

    python -m bench.quantization [--wide] [--rounds N] [--num-threads N] [--device cpu] [--json FILE]

The weights are random, and all are loaded as the service loads them: those of 8 bits are quantized by optimum-quanto at
load, those of 4 bits come from a checkpoint in AWQ's format with groups of 128. Rounds are interleaved. Memory is what
one process more holds once its engine is ready. What is printed is Markdown, as docs/benchmarks.md has it.
"""

import argparse
import json
import multiprocessing
import os
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from bench import machine
from bench.engine.load import TimedRequest, all_at_once, random_prompt, serve
from bench.engine.overhead import llama_of_100_million
from bench.engine.scaling import measure
from bench.gpu.cases import LLAMA_2_7B
from bench.gpu.models import model_config
from bench.report import Report, Spread, interleave, table
from service.engine.engine import Engine
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig

_GROUP_SIZE = 128
_AWQ = {"bits": 4, "group_size": _GROUP_SIZE, "quant_method": "awq", "version": "gemm", "zero_point": True}
_IMPORTED_BEFORE = ["bench.quantization", "optimum.quanto", "transformers.models.llama.modeling_llama"]
"""Or they would count as weights."""

_KV_CACHE_MIB = 256
_NUM_NEW_TOKENS = 24
_NUM_PREFILLED = 256


@dataclass(frozen=True)
class Weights:
    """One way of keeping the weights: the checkpoint's folder, and what `load_model` takes."""

    checkpoint: Path
    dtype: str
    quantization: str
    device: str

    def make_engine(self) -> Engine:
        """An engine with a small cache."""
        model = load_model(self.checkpoint, self.device, self.dtype, self.quantization)
        return build_engine(model, EngineConfig(self.checkpoint, kv_cache_memory_mib=_KV_CACHE_MIB))


def two_wide_layers() -> LlamaForCausalLM:
    """Two layers as wide as those of Llama 2 7B, whose matrices no cache holds, with few tokens to embed."""
    torch.manual_seed(0)
    config: LlamaConfig = model_config(replace(LLAMA_2_7B, num_layers=2, vocab_size=2048))
    return LlamaForCausalLM(config)


def save_checkpoints(folder: Path, model: PreTrainedModel) -> tuple[Path, Path]:
    """Saves a model as it is, in float16, and one of its shape with random weights of 4 bits."""
    plain, awq = folder / "plain", folder / "awq"
    model.half().save_pretrained(plain)
    model.config.save_pretrained(awq)
    config = json.loads((awq / "config.json").read_text())
    (awq / "config.json").write_text(json.dumps(config | {"quantization_config": _AWQ}))
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in model.state_dict().items():
        layer, _, part = name.rpartition(".")
        if part != "weight" or not layer.endswith("_proj"):
            tensors[name] = weight
            continue
        outputs, inputs = weight.shape
        groups = inputs // _GROUP_SIZE
        words = partial(torch.randint, -(1 << 31), (1 << 31) - 1, dtype=torch.int32)
        tensors[f"{layer}.qweight"] = words((inputs, outputs // 8))
        tensors[f"{layer}.qzeros"] = words((groups, outputs // 8))
        tensors[f"{layer}.scales"] = torch.rand(groups, outputs).half() * 0.006
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    save_file(tensors, awq / "model.safetensors", {"format": "pt"})
    return plain, awq


def ways(plain: Path, awq: Path, device: str) -> dict[str, Weights]:
    """What is compared, by name."""
    return {
        "float32": Weights(plain, "float32", "", device),
        "bfloat16": Weights(plain, "bfloat16", "", device),
        "int8, bfloat16": Weights(plain, "bfloat16", "int8", device),
        "int4, bfloat16": Weights(awq, "bfloat16", "awq", device),
        "int8, float32": Weights(plain, "float32", "int8", device),
        "int4, float32": Weights(awq, "float32", "awq", device),
    }


def held_mib(weights: Weights) -> float:
    """What an engine takes without its KV cache; to be asked of a new process."""
    transformers_logging.disable_progress_bar()
    if weights.device != "cpu":
        engine = weights.make_engine()
        return torch.cuda.memory_allocated(engine.info.device) / 2**20 - _KV_CACHE_MIB
    before = _anonymous_mib()
    engine = weights.make_engine()
    assert not engine.has_work
    return _anonymous_mib() - before - _KV_CACHE_MIB


def _anonymous_mib() -> float:
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1024


def _memory(compared: dict[str, Weights]) -> dict[str, float]:
    # Else the C library would keep pages of freed matrices for later.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(_IMPORTED_BEFORE)
    with ProcessPoolExecutor(1, mp_context=server, max_tasks_per_child=1) as processes:
        return dict(zip(compared, processes.map(held_mib, compared.values()), strict=True))


def run(model: PreTrainedModel, device: str, rounds: int) -> Report:
    """Measures each way of keeping a model's weights."""
    with tempfile.TemporaryDirectory() as folder:
        compared = ways(*save_checkpoints(Path(folder), model), device)
        memory_mib = _memory(compared)
        engines = {name: weights.make_engine() for name, weights in compared.items()}
    vocab_size = model.config.vocab_size
    prompt = random_prompt(random.Random(0), _NUM_PREFILLED, vocab_size)
    rates: dict[str, dict[str, list[float]]] = {}
    for count in (1, 16):
        load = all_at_once(vocab_size, count, _NUM_NEW_TOKENS)
        timed = interleave({name: partial(_decode_rate, engine, load) for name, engine in engines.items()}, rounds)
        rates[f"decode {count}"] = timed
    prefills: dict[str, Callable[[], float]] = {
        name: partial(_prefill_rate, engine, prompt) for name, engine in engines.items()
    }
    rates["prefill"] = interleave(prefills, rounds)
    headings = ["weights, computed in", "memory, MiB", "decode, 1 sequence, tokens/s", "16 sequences, tokens/s"]
    headings.append(f"prefill of {_NUM_PREFILLED}, tokens/s")
    rows = [
        [name, f"{memory_mib[name]:.0f}", *(f"{Spread.of(timed[name]).median:.0f}" for timed in rates.values())]
        for name in compared
    ]
    note = (
        f"A Llama of {model.num_parameters() / 1e6:.0f} million parameters; medians of {rounds} rounds. Memory is that "
        f"of the engine without its KV cache. Embeddings and head stay as they are."
    )
    return Report("Quantized weights", note, [table(headings, rows)], {"memory_mib": memory_mib, "tokens_per_s": rates})


def _decode_rate(engine: Engine, load: list[TimedRequest]) -> float:
    """Tokens per second of the steps in which all sequences decode."""
    return len(load) / Spread.of(measure(engine, load).decode_steps_s).median


def _prefill_rate(engine: Engine, prompt: list[int]) -> float:
    return len(prompt) / serve(engine, [TimedRequest(prompt, 1)]).duration_s


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quantization", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wide", action="store_true", help="two layers as wide as those of Llama 2 7B instead")
    parser.add_argument("--rounds", type=int, default=5, help="after one that warms up")
    parser.add_argument("--num-threads", type=int, default=1, help="of a tensor operation on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures of every round")
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    transformers_logging.disable_progress_bar()
    host, watch = machine.describe(options.device), machine.Watch()
    report = run(two_wide_layers() if options.wide else llama_of_100_million(), options.device, options.rounds)
    warning = machine.warning(host.load_average[0], watch.cores_of_others())
    print(f"{host.line()}\n\n{report.markdown(warning)}")
    if options.json:
        found: dict[str, Any] = {"machine": asdict(host), "warning": warning} | report.figures
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
