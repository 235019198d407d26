"""Speculative decoding: whether it is used, and what comes of it."""

import enum
from typing import NamedTuple


class Speculative(enum.StrEnum):
    """Where drafts of a sequence's next tokens come from."""

    AUTO = "auto"  # NGRAM where tokens stay the same to the bit, else NONE
    NGRAM = "ngram"  # from the sequence's own text
    NONE = "none"


class Speculation(NamedTuple):
    """How an engine drafts.

    Attributes:
        method: Where its drafts come from: `NGRAM` or `NONE`.
        detail: Why, if there is more to say.
    """

    method: Speculative = Speculative.NONE
    detail: str = ""


class SpecDecode(NamedTuple):
    """Counts of drafts, as vLLM has them.

    Attributes:
        num_drafts: How many there were.
        num_draft_tokens: How many tokens they had together.
        num_accepted_tokens: How many of these came.
    """

    num_drafts: int = 0
    num_draft_tokens: int = 0
    num_accepted_tokens: int = 0

    def with_draft(self, num_tokens: int, num_rejected: int) -> "SpecDecode":
        """The counts with another draft, of which so many tokens at the end did not come."""
        return self.with_more(SpecDecode(1, num_tokens, num_tokens - num_rejected))

    def since(self, before: "SpecDecode") -> "SpecDecode":
        """What has been counted since these were the counts."""
        return SpecDecode(*(count - less for count, less in zip(self, before, strict=True)))

    def with_more(self, other: "SpecDecode") -> "SpecDecode":
        """The sums of two."""
        return SpecDecode(*(count + more for count, more in zip(self, other, strict=True)))
