"""Copies into the playground what its pages use of npm packages: `python -m scripts.vendor`, or `make vendor`.

The versions are those of bridge/playground/package-lock.json. What is copied is as published, with its licence beside
it, so that `make run` needs neither npm nor a network.
"""

import shutil
import sys
from pathlib import Path
from typing import Final

from scripts.install import ROOT
from scripts.pip import SetupError
from scripts.real_clients import PLAYGROUND_FOLDER, has_playground_packages, install_playground_packages

VENDOR: Final = ROOT / "bridge" / "playground" / "static" / "vendor"
PACKAGES: Final = PLAYGROUND_FOLDER / "node_modules"

# The grammars that the highlighter knows: what answers are likely to have code in.
LANGUAGES: Final = ("bash", "go", "java", "javascript", "json", "python", "rust", "sql", "typescript", "xml", "yaml")

# What is copied, by folder of the vendored files: the package, and its files.
COPIED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "dompurify": ("dompurify", ("dist/purify.min.js", "LICENSE")),
    # Of version 3: the files of version 4 have all comments of the source, and are three times as large.
    "eventsource-parser": ("eventsource-parser", ("dist/stream.js", "dist/index.js", "LICENSE")),
    "highlight.js": ("@highlightjs/cdn-assets", ("es/core.min.js", "LICENSE")),
    "highlight.js/languages": (
        "@highlightjs/cdn-assets",
        tuple(f"es/languages/{language}.min.js" for language in LANGUAGES),
    ),
    "marked": ("marked", ("lib/marked.esm.js", "LICENSE")),
}


def vendored() -> dict[Path, Path]:
    """Where each vendored file comes from."""
    return {
        VENDOR / folder / Path(name).name: PACKAGES / package / name
        for folder, (package, names) in COPIED.items()
        for name in names
    }


def main() -> None:
    """Makes the folder of vendored files anew."""
    if not has_playground_packages():
        install_playground_packages()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for target, source in vendored().items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"runstream: {error}")
