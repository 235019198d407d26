"""Memory for packed weights is zeros, shared in chunks, and given back."""

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
