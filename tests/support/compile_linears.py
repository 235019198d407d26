"""Compiles the kernels of packed weights for GPUs that need not be there; started by test_linear_compilation.

    python -m tests.support.compile_linears CAPABILITY DTYPES ROWS...

Writes a line of JSON for each kernel. In a process of its own, where Triton does not interpret.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from service.engine.kernels import int4_linear, int4_row, int8_linear, int8_row, splits
from service.engine.kernels.lone_rows import NUM_WARPS
from service.engine.kernels.splits import block_options

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
WORDS = {
    int4_row._multiply: {"row": "i64", "codes": "i64"},
    int8_row._multiply: {"row": "i64", "weight": "i64"},
}
"""What is read in words of 64 bits."""

POINTERS = {"weight": "i8", "codes": "u8", "output": "fp32", "sums": "fp32"}
ODD = ("num_rows", "num_steps", "num_splits", "size", "low_exponent", "high_exponent", "exponent")
"""Numbers that need not be multiples of 16."""


def kernels(names: list[str], counts: list[int]) -> Iterator[tuple[str, Any, dict[str, Any], str]]:
    """Name, kernel, what it is compiled for, and the type of its rows."""
    yield "sum", splits._add_splits, {"HAS_BIAS": True, "BLOCK": 1024, "num_warps": 4}, "fp16"
    for count in counts:
        for name in names:
            dtype = DTYPES[name]
            rows = torch.empty((count, 4096), dtype=dtype, device="meta")
            options = block_options(rows) | {"HAS_BIAS": count == 1}
            yield (
                f"int8 {count} {name}",
                int8_linear._multiply,
                {"INPUTS": int8_linear.inputs_per_step(rows), **options},
                name,
            )
            size = int4_linear.bytes_per_step(rows, 128)
            yield f"int4 {count} {name}", int4_linear._multiply, {"BYTES": size, **options}, name
            if count == 1:
                options = {"HAS_BIAS": True, "OUTPUTS": splits.BLOCK_OUTPUTS, "num_warps": NUM_WARPS}
                options |= {"WORDS": size // 8, "IS_HALF": name == "fp16"}
                yield f"int4 alone {name}", int4_row._multiply, options | {"GROUP": 16}, name
                options |= {"WORDS": int8_row.BYTES // 8}
                yield f"int8 alone {name}", int8_row._multiply, options, name


def main() -> None:
    """Compiles and tells what came out."""
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    for name, kernel, options, element in kernels(sys.argv[2].split(","), [int(count) for count in sys.argv[3:]]):
        constants = {key: value for key, value in options.items() if key.isupper()}
        is_pointer = [not re.search("num|size|exponent", key) for key in kernel.arg_names]
        pointers = POINTERS | WORDS.get(kernel, {})
        signature = {
            key: "constexpr" if key in constants else f"*{pointers.get(key, element)}" if pointer else "i32"
            for key, pointer in zip(kernel.arg_names, is_pointer, strict=True)
        }
        divisible: dict[Any, Any] = {
            (place,): [["tt.divisibility", 16]]
            for place, key in enumerate(kernel.arg_names)
            if key not in constants and key not in ODD
        }
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=divisible)
        compiled = triton.compile(source, target=target, options={"num_warps": options["num_warps"]})
        ptx = compiled.asm["ptx"]
        wide = len(re.findall(r"ld\.global\S*\.v(?:4|2\.b64)|cp\.async\.cg", ptx))
        found = {"name": name, "shared_bytes": compiled.metadata.shared, "wide_reads": wide, "ptx": len(ptx)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
