"""The same weights in the form of each engine, converted once and kept."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.engine.overhead import llama_of_100_million
from bench.peers.checkpoint import GROUP_SIZE, save_awq, save_plain
from bench.peers.environments import ROOT, MissingPeerError, python_of, site_packages
from bench.peers.gguf_file import save_gguf

PLAIN: Final = "plain"

_CONVERT_TO_CTRANSLATE2: Final = """
import sys
from ctranslate2.converters import TransformersConverter
checkpoint, target, quantization = sys.argv[1:]
TransformersConverter(checkpoint).convert(target, quantization=quantization or None)
"""


class Cache:
    """A folder of environments and weights.

    Args:
        folder: Where; see `environments.default_cache`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def python_of(self, environment: str) -> Path:
        """See `environments.python_of`."""
        return python_of(environment, self.folder)

    def weights(self, form: str) -> Path:
        """The weights in a form of `FORMS`.

        Raises:
            MissingPeerError: They can't be converted.
        """
        path = self.folder / "weights" / form
        if not path.exists():
            print(f"Writing the weights as {form}", file=sys.stderr, flush=True)
            draft = path.with_name(f"draft-{path.name}")
            draft.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(draft, ignore_errors=True)
            FORMS[form](self, draft)
            draft.replace(path)
        return path


def _to_ctranslate2(cache: Cache, target: Path, quantization: str) -> None:
    """Its converter needs torch and transformers, so it runs in this environment, with its package beside."""
    packages = site_packages(cache.python_of("ctranslate2"))
    command = [sys.executable, "-c", _CONVERT_TO_CTRANSLATE2, str(cache.weights(PLAIN)), str(target), quantization]
    _convert(command, {"PYTHONPATH": str(packages)})


def _to_openvino(cache: Cache, target: Path, weight_format: str) -> None:
    python = cache.python_of("openvino")
    command = [str(python.with_name("optimum-cli")), "export", "openvino", "--model", str(cache.weights(PLAIN))]
    command += ["--task", "text-generation-with-past", "--weight-format", weight_format]
    groups = ["--ratio", "1.0", "--group-size", str(GROUP_SIZE)] if weight_format == "int4" else []
    _convert([*command, *groups, str(target)], {})


def _convert(command: list[str], environment: Mapping[str, str]) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **offline, **environment}, capture_output=True, text=True
    )
    if ran.returncode:
        raise MissingPeerError(f"the conversion failed: {' '.join(ran.stderr.split())[-300:]}")


def _to_gguf(cache: Cache, target: Path, kind: str) -> None:
    save_gguf(target, cache.weights(PLAIN), kind)


FORMS: Final[Mapping[str, Callable[[Cache, Path], None]]] = {
    PLAIN: lambda cache, target: save_plain(target, llama_of_100_million()),
    "awq": lambda cache, target: save_awq(target, llama_of_100_million()),
    **{f"{kind}.gguf": functools.partial(_to_gguf, kind=kind) for kind in ("F32", "F16", "BF16", "Q8_0", "Q4_0")},
    "ctranslate2-float32": functools.partial(_to_ctranslate2, quantization=""),
    "ctranslate2-int8": functools.partial(_to_ctranslate2, quantization="int8"),
    **{
        f"openvino-{weight_format}": functools.partial(_to_openvino, weight_format=weight_format)
        for weight_format in ("fp32", "fp16", "int8", "int4")
    },
}
"""How each is made: gets the cache and a path to write to."""
