"""Memory for packed weights is zeros, shared in chunks, and given back."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from service.engine.native.memory import Chunks, let_go, trim_heap

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads proc(5)")


def resident_kib(kind: str) -> int:
    """This process's memory of a kind."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if "kB" in line)
    return int(fields[kind].split()[0])


def file_kib() -> int:
    return resident_kib("RssFile")


def test_pieces_are_zeros_of_their_own_at_whole_cache_lines() -> None:
    chunks = Chunks()
    pieces = [chunks.zeros(count) for count in (1, 100, 64, 40 << 20, 7)]
    for number, piece in enumerate(pieces, 1):
        assert piece.data_ptr() % 64 == 0
        assert not piece.any()
        piece.fill_(number)
    assert [int(piece.max()) for piece in pieces] == [1, 2, 3, 4, 5]
    assert [piece.untyped_storage().nbytes() for piece in pieces] == [1, 100, 64, 40 << 20, 7]


def test_small_pieces_follow_each_other() -> None:
    chunks = Chunks()
    first, second = chunks.zeros(10), chunks.zeros(10)
    assert second.data_ptr() - first.data_ptr() == 64


def test_a_piece_outlives_what_it_was_taken_from() -> None:
    piece = Chunks().zeros(8)
    piece.fill_(3)
    assert torch.equal(piece, torch.full((8,), 3, dtype=torch.uint8))


def test_large_pieces_are_in_huge_pages() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system has no huge pages")
    piece = Chunks().zeros(64 << 20)
    piece.fill_(1)
    maps = Path("/proc/self/smaps").read_text()
    # The flag, not how many there are: memory may be too fragmented for any.
    ours = next(it for it in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", maps) if _holds(it, piece.data_ptr()))
    assert " hg" in ours
    assert " sh " not in ours


def _holds(mapping: str, address: int) -> bool:
    bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", mapping)
    return bounds is not None and int(bounds[1], 16) <= address < int(bounds[2], 16)


@needs_proc
def test_what_is_mapped_from_a_file_is_let_go_and_read_again(tmp_path: Path) -> None:
    save_file({"it": torch.arange(1 << 20)}, tmp_path / "it.safetensors")
    mapped = load_file(tmp_path / "it.safetensors")["it"]
    total = mapped.sum()
    before = file_kib()
    let_go(mapped)
    assert before - file_kib() > mapped.nbytes / 1024 * 0.9
    assert mapped.sum() == total


def test_what_is_not_mapped_from_a_file_stays() -> None:
    tensor = torch.arange(1 << 20)
    let_go(tensor)
    trim_heap()
    assert torch.equal(tensor, torch.arange(1 << 20))
