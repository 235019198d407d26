"""Compiles the kernels of LoRA adapters for GPUs that need not be there; started by test_low_rank_compilation.

    python -m tests.support.compile_low_rank CAPABILITY DTYPES RANKS...

Writes a line of JSON for each kernel. In a process of its own, where Triton does not interpret.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from service.engine.kernels import low_rank
from service.engine.lora.rows import TILE_ROWS

OPERANDS = {"fp16": tl.float16, "bf16": tl.bfloat16, "fp32": tl.float32}
POINTERS = {"middle": "*fp32", "rows": "*i32", "adapters": "*i32"}
NUMBERS = ("row_stride", "num_inputs", "num_outputs", "rank")


def kernels(names: list[str], ranks: list[int]) -> Iterator[tuple[str, Any, dict[str, Any], str]]:
    """Name, kernel, what it is compiled for, and the type of its rows."""
    for name in names:
        for rank in ranks:
            options: dict[str, Any] = {
                "ROWS": TILE_ROWS,
                "RANK": max(low_rank.LEAST_RANK, rank),
                "OPERAND": OPERANDS[name],
            }
            inputs = low_rank.inputs_per_step(options["RANK"], 4 if name == "fp32" else 2)
            yield f"shrink {rank} {name}", low_rank._shrink, {**options, "INPUTS": inputs}, name
            yield f"expand {rank} {name}", low_rank._expand, {**options, "OUTPUTS": low_rank.BLOCK_OUTPUTS}, name


def main() -> None:
    """Compiles and tells what came out."""
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    for name, kernel, constants, element in kernels(sys.argv[2].split(","), [int(rank) for rank in sys.argv[3:]]):
        signature = {
            key: "constexpr" if key in constants else "i32" if key in NUMBERS else POINTERS.get(key, f"*{element}")
            for key in kernel.arg_names
        }
        divisible: dict[Any, Any] = {
            (place,): [["tt.divisibility", 16]]
            for place, key in enumerate(kernel.arg_names)
            if key not in constants and key != "rank"
        }
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=divisible)
        compiled = triton.compile(source, target=target)
        ptx = compiled.asm["ptx"]
        found = {"name": name, "shared_bytes": compiled.metadata.shared, "uses_tensor_cores": "mma" in ptx}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
