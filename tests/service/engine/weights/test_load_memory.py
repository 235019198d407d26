"""Loading quantized weights never builds the plain model: the memory of a process that loads one tells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
}
AWQ = {"bits": 4, "group_size": 128, "quant_method": "awq", "version": "gemm", "zero_point": True}
MEASURE = """
import sys, threading, torch
from pathlib import Path
from transformers import LlamaForCausalLM
from service.engine.weights.int8 import quantize_matrix
from service.engine.weights.load import load_model

def held_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024

def watch():
    while not is_over.wait(0.001):
        samples.append(held_mib())

torch.set_num_threads(1)
quantize_matrix(torch.ones(8, 8))  # imports quanto, as the line above imports the model's class
before, samples, is_over = held_mib(), [], threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
model = load_model(Path(sys.argv[1]), "cpu", "bfloat16", sys.argv[2])
is_over.set()
watcher.join()
print(held_mib() - before, max(samples) - before)
"""
# Or the C library would keep what was freed in between for later, since these matrices are small.
EVERY_MATRIX_IS_RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def save_big(folder: Path, quantization: str) -> int:
    """Saves random weights of some 57 million parameters; returns what they would take as bfloat16, in bytes."""
    config = LlamaConfig(**SIZES, dtype="bfloat16")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    tensors: dict[str, torch.Tensor] = {}
    for name, it in model.state_dict().items():
        layer = name.removesuffix(".weight")
        if quantization == "awq" and "proj" in name:
            outputs, inputs = it.shape
            tensors[f"{layer}.qweight"] = torch.randint(1 << 30, (inputs, outputs // 8), dtype=torch.int32)
            tensors[f"{layer}.qzeros"] = torch.randint(1 << 30, (inputs // 128, outputs // 8), dtype=torch.int32)
            tensors[f"{layer}.scales"] = torch.rand(inputs // 128, outputs).half()
        else:
            tensors[name] = torch.rand(it.shape).to(torch.bfloat16)
    config.save_pretrained(folder)
    if quantization == "awq":
        stored = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(stored | {"quantization_config": AWQ}))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return sum(it.numel() for it in model.state_dict().values()) * 2


@pytest.mark.parametrize(("quantization", "promised"), [("int8", 0.5), ("awq", 0.27)])
def test_only_the_packed_weights_stay(tmp_path: Path, quantization: str, promised: float) -> None:
    """And at the peak a few matrices more, in float32; the plain model would be three times the lesser of the two."""
    plain_mib = save_big(tmp_path, quantization) / 2**20
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, str(tmp_path), quantization]
    environment = os.environ | EVERY_MATRIX_IS_RETURNED
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    held_mib, peak_mib = map(float, output.split())
    print(f"{quantization}: {held_mib:.0f} MiB stay, {peak_mib:.0f} MiB at the peak, {plain_mib:.0f} MiB as bfloat16")
    assert held_mib < plain_mib * (promised + 0.1)
    assert peak_mib < plain_mib * (promised + 0.3)
