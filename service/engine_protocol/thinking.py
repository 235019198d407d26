"""Thinking: what a model that reasons writes before its answer, and how the two are told apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thinking:
    """What stands around the thinking of one model's completions.

    Attributes:
        begin, end: The texts before and behind it, neither of them empty.
        begin_token_id, end_token_id: The tokens that these texts are. None if the vocabulary lacks one of them: then
            they are looked for as texts.
        is_open: Whether the prompt has begun it. Otherwise a completion begins with `begin`, or with the answer.
    """

    begin: str
    end: str
    begin_token_id: int | None = None
    end_token_id: int | None = None
    is_open: bool = False
