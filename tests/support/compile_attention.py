"""Compiles the attention kernels for a GPU, on a machine that may have none, and prints what came out as JSON.

Args:
    Its compute capability, such as 90; --others for more than the five models use.
"""

import json
import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from service.engine.kernels.paged_attention import (
    MAX_SPLITS,
    OPTIONS,
    attend_constants,
    attend_kernel,
    merge_kernel,
    tile_of,
)

FIVE_MODELS = [("fp16", 128, 1, False), ("fp16", 128, 1, True), ("fp16", 128, 4, True), ("bf16", 128, 4, True)]
"""Precision, head size, query heads for each KV head, and whether contexts are split."""

OTHERS = [
    ("bf16", 64, 8, False),
    ("bf16", 80, 1, True),
    ("fp16", 96, 1, True),
    ("fp32", 128, 4, False),
    ("bf16", 256, 2, True),
]


def compiled(kernel: Any, target: GPUTarget, types: dict[str, str], constants: dict[str, Any]) -> CompiledKernel:
    """A variant whose pointers and strides are multiples of 16, as torch's are for such heads."""
    names = kernel.arg_names
    aligned = [name for name in types if name.endswith("stride") or types[name].startswith("*")]
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in aligned}
    signature = {name: types.get(name, "constexpr") for name in names}
    source = ASTSource(kernel, signature, {(names.index(name),): constants[name] for name in constants}, attributes)
    return triton.compile(source, target=target, options=OPTIONS)


def attend_variant(
    target: GPUTarget, dtype: str, head_size: int, group: int, is_split: bool, softcap: float | None
) -> dict[str, Any]:
    constants = attend_constants(
        group, head_size, tile_of(head_size, 4 if dtype == "fp32" else 2), is_split, softcap, False
    )
    types = dict.fromkeys(("query_stride", "head_stride", "table_stride", "window"), "i32")
    types |= {"query": f"*{dtype}", "cache": f"*{dtype}", "block_table": "*i32", "lengths": "*i32", "scale": "fp32"}
    types |= dict.fromkeys(("parts", "logs"), "*fp32" if is_split else f"*{dtype}")
    kernel = compiled(attend_kernel, target, types, constants)
    return {
        "dtype": dtype,
        "shared_bytes": kernel.metadata.shared,
        "num_wide_copies": kernel.asm["ptx"].count("cp.async.cg.shared.global"),
        "num_tensor_core_products": kernel.asm["ptx"].count("mma."),
    }


def main() -> None:
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    variants = [attend_variant(target, *variant, softcap=None) for variant in FIVE_MODELS]
    if "--others" in sys.argv:
        variants += [attend_variant(target, *variant, softcap=50.0) for variant in OTHERS]
    types = {
        "lengths": "*i32",
        "parts": "*fp32",
        "logs": "*fp32",
        "output": "*bf16",
        "window": "i32",
        "num_splits": "i32",
    }
    compiled(merge_kernel, target, types, {"HEAD_SIZE": 128, "SIZE": 128, "TILE": 64, "MAX_SPLITS": MAX_SPLITS})
    print(json.dumps(variants))


if __name__ == "__main__":
    main()
