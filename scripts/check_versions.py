"""Checks that each version is the same wherever it is written."""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Files of clients that hold the version itself, and how they write it.
CLIENTS = {
    "clients/cpp/CMakeLists.txt": r"^project\(runstream VERSION ([\d.]+) ",
    "clients/java/build.gradle": r"^version = '([\d.]+)'",
    "clients/java/README.md": r"^implementation 'dev\.runstream:runstream-client:([\d.]+)'",
    "clients/typescript/package.json": r'^  "version": "([\d.]+)"',
    "clients/worker/package.json": r'^  "version": "([\d.]+)"',
    "clients/typescript/package-lock.json": r'^  "version": "([\d.]+)"',
}
PROJECTS = ("pyproject.toml", "clients/python/pyproject.toml")


def newest_in_changelog() -> str | None:
    """The version of the changelog's first heading that has one."""
    heading = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return heading and heading[1]


def pins() -> dict[str, str]:
    """The versions in constraints.txt, by package as written there in lower case with dashes."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {normalized(package): pin for package, pin in pairs}


def normalized(package: str) -> str:
    """The one spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def unlike_pins() -> list[str]:
    """Says which installed packages have no pin or another version; CUDA's come with torch, which pins them."""
    # Once setuptools is imported, the packages that it carries inside are found as well.
    own = [found for found in metadata.distributions() if Path(str(found.locate_file(""))).name != "_vendor"]
    installed = {normalized(found.name): found.version.partition("+")[0] for found in own}
    ours = {
        name: version for name, version in installed.items() if not re.match(r"runstream|nvidia-|cuda-|triton", name)
    }
    return [
        f"{name} {version} is installed, constraints.txt says {pins().get(name)}"
        for name, version in sorted(ours.items())
        if pins().get(name) != version
    ]


def problems() -> list[str]:
    """Says which versions disagree."""
    version, newest = project("pyproject.toml")["project"]["version"], newest_in_changelog()
    found = [] if version == newest else [f"pyproject.toml says {version}, CHANGELOG.md {newest}"]
    for file in PROJECTS:
        described = project(file)
        if described["project"]["version"] != version:
            found.append(f"{file} says {described['project']['version']}, pyproject.toml {version}")
        for requirement in described["build-system"]["requires"]:
            package, _, pin = requirement.partition("==")
            if pins().get(package) != pin:
                found.append(f"{file} builds with {requirement}, constraints.txt says {pins().get(package)}")
    for file, pattern in CLIENTS.items():
        written = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
        if written is None or written[1] != version:
            found.append(f"{file} says {written and written[1]}, pyproject.toml {version}")
    return found + unlike_pins()


def project(file: str) -> dict[str, Any]:
    """What a pyproject.toml says."""
    return tomllib.loads((ROOT / file).read_text())


if __name__ == "__main__":
    found = problems()
    print("\n".join(found) or "Versions agree")
    sys.exit(1 if found else 0)
