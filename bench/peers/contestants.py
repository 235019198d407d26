"""What is compared: each engine in each precision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bench.peers.environments import OURS

PRECISIONS: Final = ("float32", "16bit", "int8", "int4")
BITS: Final = {"float32": 32, "16bit": 16, "int8": 8, "int4": 4}


@dataclass(frozen=True)
class Contestant:
    """An engine with weights of some precision.

    Attributes:
        name: Its row in the tables.
        precision: With whom it is compared, one of `PRECISIONS`.
        worker: The module in `bench.peers.workers` that runs it.
        environment: Whose packages it needs; see `environments.python_of`.
        weights: Their form; see `weights.FORMS`.
        options: What else its worker takes.
        layer_bits, head_bits: The bits that a weight takes in layers and in the head, scales included.
    """

    name: str
    precision: str
    worker: str
    environment: str
    weights: str
    layer_bits: float
    head_bits: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it is this engine."""
        return self.worker == "runstream"


def _ours(
    precision: str, dtype: str, quantization: str, layer_bits: float, *, has_int8_rows: bool = False
) -> Contestant:
    name = f"Runstream {precision} in {dtype}" if quantization else f"Runstream {dtype}"
    weights = "awq" if quantization == "awq" else "plain"
    options: dict[str, Any] = {"dtype": dtype, "quantization": quantization}
    if has_int8_rows:
        name += ", 8-bit rows"
        options["settings"] = {"activation_dtype": "int8"}
    head_bits = 32 if dtype == "float32" else 16
    return Contestant(name, precision, "runstream", OURS, weights, layer_bits, head_bits, options)


def _llama_cpp(precision: str, kind: str, layer_bits: float, head_bits: float) -> Contestant:
    return Contestant(f"llama.cpp {kind}", precision, "llama_cpp", "llama_cpp", f"{kind}.gguf", layer_bits, head_bits)


def _ctranslate2(precision: str, compute_type: str, bits: float) -> Contestant:
    options = {"compute_type": compute_type}
    weights = f"ctranslate2-{compute_type}"
    return Contestant(
        f"CTranslate2 {compute_type}", precision, "ctranslate2_generator", "ctranslate2", weights, bits, bits, options
    )


def _openvino(
    precision: str, weight_format: str, layer_bits: float, head_bits: float, computes: str = ""
) -> Contestant:
    name = f"OpenVINO {weight_format}" + (f", computes in {computes}" if computes else "")
    options = {"properties": {"INFERENCE_PRECISION_HINT": computes} if computes else {}}
    weights = f"openvino-{weight_format}"
    return Contestant(name, precision, "openvino_pipeline", "openvino", weights, layer_bits, head_bits, options)


def _transformers(precision: str, dtype: str, bits: float) -> Contestant:
    name = f"transformers {dtype}"
    return Contestant(name, precision, "transformers_generate", OURS, "plain", bits, bits, {"dtype": dtype})


_SCALE_OF_32: Final = 16 / 32
_SCALE_OF_128: Final = 16 / 128

CONTESTANTS: Final = (
    _ours("float32", "float32", "", 32),
    _llama_cpp("float32", "F32", 32, 32),
    _ctranslate2("float32", "float32", 32),
    # As it comes it computes in bfloat16 where the processor can.
    _openvino("float32", "fp32", 32, 32, computes="f32"),
    _transformers("float32", "float32", 32),
    _ours("16bit", "bfloat16", "", 16),
    _ours("16bit", "float16", "", 16),
    _llama_cpp("16bit", "BF16", 16, 16),
    _llama_cpp("16bit", "F16", 16, 16),
    _openvino("16bit", "fp16", 16, 16),
    _transformers("16bit", "bfloat16", 16),
    _ours("int8", "bfloat16", "int8", 8),
    _ours("int8", "bfloat16", "int8", 8, has_int8_rows=True),
    _ours("int8", "float32", "int8", 8),
    _llama_cpp("int8", "Q8_0", 8 + _SCALE_OF_32, 8 + _SCALE_OF_32),
    _ctranslate2("int8", "int8", 8),
    _openvino("int8", "int8", 8, 8),
    _ours("int4", "bfloat16", "awq", 4 + 1.25 * _SCALE_OF_128),  # zero points have 4 bits
    _ours("int4", "bfloat16", "awq", 4 + 1.25 * _SCALE_OF_128, has_int8_rows=True),
    _ours("int4", "float32", "awq", 4 + 1.25 * _SCALE_OF_128),
    _llama_cpp("int4", "Q4_0", 4 + _SCALE_OF_32, 8 + _SCALE_OF_32),
    _openvino("int4", "int4", 4 + 1.25 * _SCALE_OF_128, 8),
)
"""All of them, each precision's together."""
