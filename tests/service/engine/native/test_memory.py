"""Memory for packed weights is zeros, shared in chunks, and given back."""

import re
from pathlib import Path

import pytest
import torch

from service.engine.native.memory import Chunks


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
