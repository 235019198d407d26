"""What `verify` finds out about files that came from the hub."""

import hashlib
from pathlib import Path

import pytest

from service.checkpoints.errors import CheckpointError
from service.commands.verify import check_files
from tests.support.checkpoints import save_tiny_model
from tests.support.fake_hub import git_blob_id


def cached(folder: Path) -> Path:
    """A checkpoint as the hub's cache keeps it: links to files that are named for the hub's hashes."""
    source, snapshot, blobs = folder / "source", folder / "snapshots" / "abc", folder / "blobs"
    save_tiny_model(source)
    for made in (snapshot, blobs):
        made.mkdir(parents=True)
    for path in source.iterdir():
        content = path.read_bytes()
        is_large = path.suffix == ".safetensors"
        blob = blobs / (hashlib.sha256(content).hexdigest() if is_large else git_blob_id(content))
        path.rename(blob)
        (snapshot / path.name).symlink_to(blob)
    return snapshot


def lines_of(folder: Path) -> list[str]:
    lines: list[str] = []
    check_files(folder, lines.append)
    return lines


def test_each_file_is_told_with_its_hash(tmp_path: Path) -> None:
    config, generation_config, weights, summary = lines_of(cached(tmp_path))
    assert config.startswith("config.json: as the hub has it, git blob ")
    assert generation_config.startswith("generation_config.json: as the hub has it, git blob ")
    assert weights.startswith("model.safetensors: as the hub has it, sha256 ")
    assert summary == "config.json: llama; weights: 21 tensors"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_one_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    path = cached(tmp_path) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.resolve().write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} has hash \w+, .*: delete {path.resolve()}, then pull"):
        lines_of(path.parent)


def test_a_folder_that_did_not_come_from_the_hub_says_that_nothing_was_compared(tmp_path: Path) -> None:
    assert lines_of(save_tiny_model(tmp_path))[0].startswith("no hash was recorded")


def test_a_config_that_is_no_json_is_told(tmp_path: Path) -> None:
    save_tiny_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json can't be read: it is not JSON"):
        lines_of(tmp_path)
