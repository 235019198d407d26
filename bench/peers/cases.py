"""What every engine is asked, and the rates that the times of its tokens give.

Imports the standard library only, as the environments of peers have nothing else of ours.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Case:
    """Sequences that begin at once.

    Attributes:
        name: Its column in the tables.
        num_sequences: How many.
        num_prompt_tokens, num_new_tokens: Of each of them.
    """

    name: str
    num_sequences: int
    num_prompt_tokens: int
    num_new_tokens: int

    def prompts(self, vocab_size: int, seed: int) -> list[list[int]]:
        """Random tokens; the first ten ids, among which special tokens are, are not among them."""
        source = random.Random(seed)
        return [
            [source.randrange(10, vocab_size) for _ in range(self.num_prompt_tokens)] for _ in range(self.num_sequences)
        ]


DECODE_1: Final = Case("decode 1", 1, 128, 64)
DECODE_16: Final = Case("decode 16", 16, 32, 48)
PREFILL: Final = Case("prefill 512", 1, 512, 1)
CASES: Final = (DECODE_1, DECODE_16, PREFILL)

WHOLE: Final = "16 whole"
"""The rate over the whole of `DECODE_16`, its prompts included."""

COLUMNS: Final = (DECODE_1.name, DECODE_16.name, WHOLE, PREFILL.name)


def rates(case: Case, times_s: Sequence[Sequence[float]]) -> dict[str, float]:
    """Tokens per second.

    Args:
        case: What was asked.
        times_s: When each token of each sequence came, in seconds since all were asked for.

    Returns:
        The rate of each column: of decoding, counted from when every sequence has its first token, of all of it, or
        of the prompt.

    Raises:
        ValueError: A sequence has another number of tokens than it was to have.
    """
    if any(len(times) != case.num_new_tokens for times in times_s) or len(times_s) != case.num_sequences:
        raise ValueError(f"{case.name}: {[len(times) for times in times_s]} tokens instead of {case.num_new_tokens}")
    all_begun_s, end_s = max(times[0] for times in times_s), max(times[-1] for times in times_s)
    if case.num_new_tokens == 1:
        return {case.name: case.num_sequences * case.num_prompt_tokens / end_s}
    num_decoded = sum(time_s > all_begun_s for times in times_s for time_s in times)
    decoding = {case.name: num_decoded / (end_s - all_begun_s)}
    return decoding if case.num_sequences == 1 else decoding | {WHOLE: sum(map(len, times_s)) / end_s}
