"""The header of a GGUF file: read as the package reads it, and refused where it lies."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import KINDS, read_gguf
from service.checkpoints.gguf_config import gguf_config
from service.checkpoints.gguf_weights import gguf_weights
from tests.support.gguf_checkpoints import ARCHITECTURES, finish, save_tiny_gguf

COUNTS = 8
"""Where the number of tensors stands, and after it that of values."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    save_tiny_gguf(path, "llama", "Q4_0")
    return path.read_bytes()


def test_the_kinds_have_the_packages_sizes() -> None:
    for number, kind in KINDS.items():
        assert gguf.GGMLQuantizationType[kind.name] == number
        assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(number)] == (kind.num_elements, kind.num_bytes)


def test_values_and_tensors_are_those_that_the_package_reads(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole)
    ours, theirs = read_gguf(path), GGUFReader(path)
    expected = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert {name: _plain(value) for name, value in ours.metadata.items()} == {
        name: _plain(value) for name, value in expected.items()
    }
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert (mine.start, mine.num_bytes) == (tensor.data_offset, tensor.n_bytes)
        assert mine.shape == tuple(reversed(tensor.shape.tolist()))


def _plain(value: object) -> object:
    """Arrays as lists, and numbers of 32 bits however exactly they are written."""
    if isinstance(value, float):
        return np.float32(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("num_bytes", [0, 3, 20, 24, 100, 5000, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, whole: bytes, num_bytes: int) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole[:num_bytes])
    with pytest.raises(CheckpointError, match=r"no GGUF file|fetch it again|more than it holds"):
        read_gguf(path)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, b"GGML", "does not begin with GGUF"),
        (4, struct.pack("<I", 1), "is version 1; only little-endian"),
        (4, struct.pack(">I", 3), "is a big-endian file"),
        (COUNTS, struct.pack("<Q", 2**62), "more than it holds"),
        (COUNTS + 8, struct.pack("<Q", 2**62), "more than it holds"),
        (COUNTS + 16, struct.pack("<Q", 2**63), "ends within its header"),
    ],
)
def test_counts_and_lengths_that_lie_are_refused(
    tmp_path: Path, whole: bytes, place: int, value: bytes, reason: str
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole[:place] + value + whole[place + len(value) :])
    with pytest.raises(CheckpointError, match=reason):
        read_gguf(path)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_a_tensors_size_that_lies_is_refused(tmp_path: Path, family: str) -> None:
    path = tmp_path / "model.gguf"
    save_tiny_gguf(path, family)
    content = path.read_bytes()
    entry = content.index(b"token_embd.weight") + len("token_embd.weight")
    path.write_bytes(content[: entry + 12] + struct.pack("<Q", 2**60) + content[entry + 20 :])
    with pytest.raises(CheckpointError, match=r"too few for token_embd\.weight"):
        read_gguf(path)


def test_a_kind_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = GGUFWriter(path, "llama")
    data = np.zeros((2, 22), np.uint8)
    writer.add_tensor("token_embd.weight", data, raw_dtype=gguf.GGMLQuantizationType.Q5_0)
    finish(writer)
    with pytest.raises(CheckpointError, match=r"token_embd\.weight of kind Q5_0, which is not read, only .*Q4_K"):
        read_gguf(path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("general.architecture", "falcon", "architecture 'falcon'; only llama, qwen2"),
        ("llama.block_count", 1 << 40, "block_count 1099511627776, and tensors for 2"),
        ("llama.embedding_length", 1 << 40, "embedding_length 1099511627776, and tensors for 256"),
        ("llama.feed_forward_length", 1 << 40, "feed_forward_length 1099511627776"),
        ("llama.attention.head_count", 0, "attention.head_count 0"),
        ("llama.attention.head_count_kv", "2", "attention.head_count_kv '2'"),
        ("llama.rope.freq_base", float("nan"), "rope.freq_base nan"),
        ("llama.expert_count", 8, "mixture of experts"),
        ("llama.rope.scaling.type", "other", "scaled by 'other'"),
        ("split.count", 3, "one of 3 parts"),
    ],
)
def test_metadata_that_is_wrong_is_refused(tmp_path: Path, whole: bytes, key: str, value: object, reason: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole)
    file = read_gguf(path)
    file.metadata[key] = value  # type: ignore[index]  # what another writer would have written
    with pytest.raises(CheckpointError, match=reason):
        gguf_config(file)


def test_a_tensor_that_nobody_knows_is_refused(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(whole.replace(b"blk.1.ffn_gate.weight", b"blk.1.ffn_gaze.weight"))
    with pytest.raises(CheckpointError, match=r"has blk\.1\.ffn_gaze\.weight, which models of architecture llama"):
        gguf_weights(read_gguf(path))
