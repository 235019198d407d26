"""How fast weights are loaded, by how fast the same files are read: `python -m bench.loading`.

Both begin with the files outside the page cache, as after a start of the machine, and both alternate.
"""

import os
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bench.machine import Watch, describe, warning
from bench.report import Report, Spread, interleave, ratio, ratio_table, table
from service.engine.weights.load import load_model

_READ_BYTES = 16 << 20
_GOAL = "at least 0.70"


def save_random_llama(folder: Path, num_layers: int) -> Path:
    """Saves a Llama in bfloat16 with layers as wide as those of one with 7 billion parameters, 405 MB each."""
    config = LlamaConfig(num_hidden_layers=num_layers, hidden_size=4096, intermediate_size=11008, vocab_size=4096)
    with torch.device("meta"):
        model = LlamaForCausalLM(config).bfloat16()
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.view(torch.int16).random_(0x3C00, 0x3D00)  # small numbers, and no two pages alike
    model.save_pretrained(folder, max_shard_size="2GB")
    return folder


def forget(folder: Path) -> int:
    """Takes a folder's weights out of the page cache; how many bytes they are."""
    paths = sorted(folder.glob("*.safetensors"))
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return sum(path.stat().st_size for path in paths)


def read_rate(folder: Path) -> float:
    """Bytes in a second when the files are read one after the other into one buffer."""
    num_bytes, buffer = forget(folder), bytearray(_READ_BYTES)
    started_at = time.perf_counter()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return num_bytes / (time.perf_counter() - started_at)


def load_rate(folder: Path, device: str, dtype: str) -> float:
    """Bytes in a second when the model is loaded to its device."""
    num_bytes = forget(folder)
    started_at = time.perf_counter()
    load_model(folder, device, dtype)
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return num_bytes / (time.perf_counter() - started_at)


def report_of(folder: Path, device: str, dtype: str, rounds: int) -> Report:
    """Measures both in turn."""
    runs = {"read": partial(read_rate, folder), "load": partial(load_rate, folder, device, dtype)}
    rates = interleave(runs, rounds)
    spreads = {name: Spread.of([rate / 1e9 for rate in found]) for name, found in rates.items()}
    rows = [[name, *spread.cells(2)] for name, spread in spreads.items()]
    note = f"{forget(folder) / 1e9:.2f} GB of weights, loaded in {dtype} on {device}."
    tables = [
        table(["GB/s", "median", "min", "max"], rows),
        ratio_table({"load by read": (ratio(rates["load"], rates["read"]), _GOAL)}),
    ]
    return Report("Loading", note, tables, {"rates": rates})


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), help="A folder; a random Llama without.")
@click.option("--num-layers", default=4, show_default=True, help="Those of the random Llama.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--dtype", default="auto", show_default=True, help="A torch dtype, or auto for the checkpoint's own.")
@click.option("--rounds", default=5, show_default=True)
def main(checkpoint: Path | None, num_layers: int, device: str, dtype: str, rounds: int) -> None:
    """Prints tables in Markdown."""
    machine, watch = describe(device), Watch()
    with tempfile.TemporaryDirectory() as folder:
        report = report_of(checkpoint or save_random_llama(Path(folder), num_layers), device, dtype, rounds)
    print(f"{machine.line()}\n")
    print(report.markdown(warning(machine.load_average[0], watch.cores_of_others())))


if __name__ == "__main__":
    main()
