"""How many instructions a kernel of packed weights spends on a weight: the compiler's are counted, and nothing runs.

    python -m bench.kernel_instructions [--capability 90] [--dtype bfloat16]

Needs no GPU: Triton compiles for one, and brings the disassembler. Counted are the instructions of the kernel's one
loop, for one row, by weights of 4 bits in groups of 128 and by those of 8. An H200 issues 33 x 10 ** 12 threads'
instructions a second (132 multiprocessors, 4 schedulers each, 32 threads, 1.98 GHz). 4.8 TB/s bring 9.1 x 10 ** 12
weights of 0.53 bytes, or 4.8 x 10 ** 12 of one: with 3.7 and 6.9 instructions a weight both take as long. Of
conversions it does 4.2 x 10 ** 12 (16 a clock and multiprocessor).
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from bench.report import table
from service.engine.kernels import int4_linear, int4_row, int8_linear, int8_row
from service.engine.kernels.lone_rows import NUM_WARPS
from service.engine.kernels.splits import BLOCK_OUTPUTS, block_options

_NUM_INPUTS, _GROUP_SIZE = 4096, 128
_WARP = 32
_ELEMENTS = {"bfloat16": "bf16", "float16": "fp16"}
_NOT_DIVISIBLE = ("num_rows", "num_steps", "low_exponent", "high_exponent", "exponent")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "conversions": ("I2F", "F2F", "I2FP"),
    "integers": (
        "LOP3",
        "SHF",
        "PRMT",
        "IADD",
        "VIADD",
        "LEA",
        "IMAD",
        "VIMNMX",
        "SGXT",
        "IABS",
        "SEL",
        "ISETP",
        "UIADD",
    ),
    "float32": ("FFMA", "FADD", "FMUL", "FSEL", "HADD2.F32"),
    "memory": ("LDG", "STG", "LDS", "STS", "LDC", "LDGSTS", "SHFL", "BAR", "CS2R"),
}


@dataclass(frozen=True)
class Kernel:
    """A kernel to count.

    Attributes:
        name: What the table calls it.
        function: It.
        pointers: What its pointers are to, other than numbers of the row's dtype.
        constants: What is known when it is compiled.
        num_warps: The warps of a program.
        num_weights: What a program multiplies by in a step.
        wide_loads: A thread's loads of 16 bytes in a step, by which is known how many steps its loop has at a time.
    """

    name: str
    function: Any
    pointers: Mapping[str, str]
    constants: Mapping[str, Any]
    num_warps: int
    num_weights: int
    wide_loads: int


@dataclass(frozen=True)
class Count:
    """What was counted of a kernel's loop, for each weight.

    Attributes:
        per_weight: All instructions, and those of each kind.
        num_registers: Of a thread.
    """

    per_weight: Mapping[str, float]
    num_registers: int


def kernels(dtype: str) -> Iterator[Kernel]:
    """For 4 and for 8 bits the kernel for any number of rows, compiled for one, and the one that is made for it."""
    row = torch.empty((1, _NUM_INPUTS), dtype=getattr(torch, dtype), device="meta")
    num_bytes = int4_linear.bytes_per_step(row, _GROUP_SIZE)
    num_weights = 2 * BLOCK_OUTPUTS * num_bytes
    options = block_options(row)
    num_warps = options.pop("num_warps")
    pointers = {"codes": "u8", "output": "fp32"}
    constants = {"HAS_BIAS": False, "BYTES": num_bytes, **options}
    yield Kernel("4 bits, any rows", int4_linear._multiply, pointers, constants, num_warps, num_weights, 6)
    pointers |= {"codes": "i64", "row": "i64"}
    constants = {"HAS_BIAS": False, "OUTPUTS": BLOCK_OUTPUTS, "WORDS": num_bytes // 8, "GROUP": _GROUP_SIZE // 8}
    constants |= {"IS_HALF": dtype == "float16"}
    yield Kernel("4 bits, one row", int4_row._multiply, pointers, constants, NUM_WARPS, num_weights, 8)
    pointers = {"weight": "i8", "output": "fp32"}
    constants = {"HAS_BIAS": False, "INPUTS": int8_linear.inputs_per_step(row), **options}
    num_weights = BLOCK_OUTPUTS * int8_linear.inputs_per_step(row)
    yield Kernel("8 bits, any rows", int8_linear._multiply, pointers, constants, num_warps, num_weights, 4)
    pointers = {"weight": "i64", "row": "i64", "output": "fp32"}
    constants = {"HAS_BIAS": False, "OUTPUTS": BLOCK_OUTPUTS, "WORDS": int8_row.BYTES // 8}
    constants |= {"IS_HALF": dtype == "float16"}
    num_weights = BLOCK_OUTPUTS * int8_row.BYTES
    yield Kernel("8 bits, one row", int8_row._multiply, pointers, constants, NUM_WARPS, num_weights, 8)


def count(kernel: Kernel, dtype: str, capability: int) -> Count:
    """Compiles a kernel and counts.

    Raises:
        ValueError: Its code has no loop of whole steps.
    """
    names = kernel.function.arg_names
    element = _ELEMENTS[dtype]
    numbers = [name for name in names if re.search("num_|size|exponent", name)]
    signature = {
        name: "constexpr"
        if name in kernel.constants
        else "i32"
        if name in numbers
        else f"*{kernel.pointers.get(name, element)}"
        for name in names
    }
    divisible: dict[Any, Any] = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(names)
        if name not in kernel.constants and name not in _NOT_DIVISIBLE
    }
    source = ASTSource(fn=kernel.function, signature=signature, constexprs=dict(kernel.constants), attrs=divisible)
    target = GPUTarget("cuda", capability, _WARP)
    cubin = triton.compile(source, target=target, options={"num_warps": kernel.num_warps}).asm["cubin"]
    body = loop(_told_by("nvdisasm", cubin, "-c"))
    num_steps, rest = divmod(sum(".128" in line and line.startswith("LDG") for line in body), kernel.wide_loads)
    if not num_steps or rest:
        raise ValueError(f"the loop of {kernel.name} has no whole steps: its loads are others than those known here")
    scale = kernel.num_warps * _WARP / (kernel.num_weights * num_steps)
    registers = re.search(r"REG:(\d+)", _told_by("cuobjdump", cubin, "-res-usage"))
    per_weight = {kind: num * scale for kind, num in kinds(body).items()}
    return Count({"all": len(body) * scale, **per_weight}, int(registers[1]) if registers else 0)


def loop(sass: str) -> list[str]:
    """The instructions of the longest loop, without their predicates."""
    labels: dict[str, int] = {}
    lines: list[str] = []
    ends: list[tuple[int, int]] = []
    for line in sass.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            labels[label[1]] = len(lines)
        elif instruction := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(\S[^;]*);", line):
            lines.append(instruction[1].strip())
            back = re.search(r"^BRA.*`\((\.L_x_\d+)\)", lines[-1])
            if back and labels.get(back[1], len(lines)) < len(lines) - 1:
                ends.append((labels[back[1]], len(lines)))
    begin, end = max(ends, key=lambda place: place[1] - place[0], default=(0, 0))
    return lines[begin:end]


def kinds(body: list[str]) -> Counter[str]:
    """How many instructions there are of each kind."""
    return Counter(
        next((kind for kind, starts in _KINDS.items() if instruction.startswith(starts)), "others")
        for instruction in body
    )


def _told_by(tool: str, cubin: bytes, option: str) -> str:
    """What a tool that Triton brings tells of compiled code."""
    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / tool
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run([path, option, file.name], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.kernel_instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--capability", type=int, default=90, help="the GPU's, 90 for Hopper (%(default)s)")
    parser.add_argument("--dtype", choices=_ELEMENTS, default="bfloat16", help="of the row (%(default)s)")
    options = parser.parse_args()
    if triton.knobs.runtime.interpret:
        sys.exit("TRITON_INTERPRET is set: without it Triton compiles")
    headings = ["all", *_KINDS, "others"]
    rows = []
    for kernel in kernels(options.dtype):
        found = count(kernel, options.dtype, options.capability)
        cells = [f"{found.per_weight.get(heading, 0):.2f}" for heading in headings]
        rows.append([kernel.name, *cells, str(found.num_registers)])
    print(table(["kernel, instructions a weight", *headings, "registers"], rows))


if __name__ == "__main__":
    main()
