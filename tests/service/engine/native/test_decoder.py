"""The compiled decoder gives equal bits however a prompt is cut, whatever the processor may use and heads are like."""

from collections.abc import Sequence

import pytest
import torch

from service.engine.native.decoder import Decoder, LayerParts, NormWeights, PackedStep, Shape
from service.engine.native.library import Library, native_library
from service.engine.native.matrix import Matrix, packed
from service.engine.tolerances import relative_error

HIDDEN, VOCABULARY, NUM_TOKENS, BLOCK_SIZE = 48, 64, 150, 16
HEADS = [(8, 1, 2), (24, 1, 2), (64, 3, 1), (80, 2, 3), (128, 1, 5)]
"""Head size, KV heads, and queries of each."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TOLERANCES = {torch.float32: 1e-5, torch.float16: 1e-4, torch.bfloat16: 2e-3}
"""Between processors: some round queries and attention's weights to bfloat16."""


class Model:
    """A layer of random weights over one sequence, whose blocks lie in no order.

    Args:
        library: The compiled code.
        heads: One of `HEADS`.
        dtype: Of the KV cache.
        window: How many tokens one sees; None for all.
    """

    def __init__(self, library: Library, heads: tuple[int, int, int], dtype: torch.dtype, window: int | None) -> None:
        random = torch.Generator().manual_seed(5)
        size, num_kv_heads, group = heads
        num_heads = num_kv_heads * group

        def matrix(outputs: int, inputs: int) -> Matrix:
            return packed(library, torch.randn(outputs, inputs, generator=random) * inputs**-0.5)

        norm, none = NormWeights(torch.ones(HIDDEN), 1e-5), NormWeights(None, 0.0)
        layer = LayerParts(
            matrix((num_heads + 2 * num_kv_heads) * size, HIDDEN),
            matrix(HIDDEN, num_heads * size),
            matrix(2 * HIDDEN, HIDDEN),
            matrix(HIDDEN, HIDDEN),
            *(norm, none, none, norm),
        )
        shape = Shape(num_heads, num_kv_heads, size, size // 2)
        self._decoder = Decoder(library, [layer], norm, matrix(VOCABULARY, HIDDEN), shape, lambda: None)
        # One block more, as engines have it: what is behind a head may be read.
        num_blocks = -(-NUM_TOKENS // BLOCK_SIZE) + 1
        # What nobody has written must have no effect.
        cache = torch.full((num_blocks, BLOCK_SIZE, 2 * num_kv_heads, size), torch.nan, dtype=dtype)
        self._decoder.use_caches([cache])
        self._decoder.use_attention([size**-0.5], [window])
        self._blocks = torch.randperm(num_blocks - 1, generator=random, dtype=torch.int32)[None]
        self._embedded = torch.randn(NUM_TOKENS, HIDDEN, generator=random)
        angles = torch.randn(NUM_TOKENS, size // 2, generator=random)
        self._rotations = torch.stack((angles.cos(), angles.sin()), dim=1).contiguous()

    def last_logits(self, chunks: Sequence[int]) -> torch.Tensor:
        """The logits behind the last of some chunks."""
        start = 0
        for count in chunks:
            places = torch.arange(start, start + count)
            start += count
            step = PackedStep(
                self._embedded[places].contiguous(),
                places,
                self._rotations,
                self._blocks[0, places // BLOCK_SIZE].long() * BLOCK_SIZE + places % BLOCK_SIZE,
                torch.tensor([count], dtype=torch.int32),
                torch.tensor([start], dtype=torch.int32),
                self._blocks,
                torch.tensor([count - 1]),
            )
            logits = self._decoder.logits(step)
        return logits.clone()


@pytest.mark.parametrize("window", [None, 30])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("heads", HEADS, ids=str)
def test_a_prompt_has_the_same_bits_however_it_is_cut(
    library: Library, heads: tuple[int, int, int], dtype: torch.dtype, window: int | None
) -> None:
    model = Model(library, heads, dtype, window)
    whole = model.last_logits([NUM_TOKENS])
    assert whole.isfinite().all()
    for chunks in ([1] * NUM_TOKENS, [130, 1, 2, 17], [NUM_TOKENS - 64, 64], [63, 3, 83, 1]):
        again = Model(library, heads, dtype, window).last_logits(chunks)
        assert torch.equal(again, whole), chunks


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("heads", HEADS, ids=str)
def test_all_that_a_processor_may_use_computes_the_same(
    library: Library, heads: tuple[int, int, int], dtype: torch.dtype
) -> None:
    native = native_library()
    assert native is not None
    expected = Model(native, heads, dtype, None).last_logits([NUM_TOKENS])
    for chunks in ([NUM_TOKENS], [NUM_TOKENS - 1, 1]):
        found = Model(library, heads, dtype, None).last_logits(chunks)
        assert relative_error(found, expected) < TOLERANCES[dtype]
