"""Checks that each version is the same wherever it is written."""

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def pins() -> dict[str, str]:
    """The versions in constraints.txt, by package."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def hooks() -> list[tuple[str, str]]:
    """The package and version of each hook of pre-commit that has one."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    repos = [repo for repo in config["repos"] if repo["repo"] != "local"]
    return [(re.sub(r"^mirrors-|-pre-commit$", "", repo["repo"].rsplit("/", 1)[-1]), repo["rev"][1:]) for repo in repos]


def problems() -> list[str]:
    """Says which versions disagree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = project["project"]["version"]
    newest = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    found = []
    if newest is None or newest[1] != version:
        found.append(f"pyproject.toml says {version}, CHANGELOG.md {newest and newest[1]}")
    for package, revision in hooks():
        if pins().get(package) != revision:
            found.append(f".pre-commit-config.yaml has {package} {revision}, constraints.txt {pins().get(package)}")
    for requirement in project["build-system"]["requires"]:
        if requirement not in {f"{package}=={pin}" for package, pin in pins().items()}:
            found.append(f"pyproject.toml builds with {requirement}, which constraints.txt doesn't have")
    return found


if __name__ == "__main__":
    print("\n".join(problems()) or "Versions agree")
    sys.exit(1 if problems() else 0)
