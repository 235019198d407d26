"""How many tokens the steps of engines compute."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from service.engine_protocol.messages import StepResult
from service.engine_protocol.speculative import SpecDecode

BOUNDS: Final = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


class StepTokens:
    """A histogram of the tokens that a step computes: those of prompts, and those sampled.

    Attributes:
        counts: How many steps had at most as many as each of `BOUNDS`, and not as few as the one before; the last are
            those that had more.
        total: How many tokens all steps had.
        spec_decode: What came of their drafts.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0
        self.spec_decode = SpecDecode()

    def note(self, result: StepResult) -> None:
        """Counts a step; a result that reports an abort only is none."""
        if num_tokens := result.num_prompt_tokens + len(result.outputs):
            self.counts[bisect_left(BOUNDS, num_tokens)] += 1
            self.total += num_tokens
            self.spec_decode = self.spec_decode.with_more(result.spec_decode)

    @classmethod
    def sum(cls, several: Iterable["StepTokens"]) -> "StepTokens":
        """The steps of several engines."""
        summed = cls()
        for one in several:
            summed.counts = [count + more for count, more in zip(summed.counts, one.counts, strict=True)]
            summed.total += one.total
            summed.spec_decode = summed.spec_decode.with_more(one.spec_decode)
        return summed
