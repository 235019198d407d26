"""Prompt lookup: a text goes on as it went on before, where its last tokens stood already.

Saxena, "Prompt Lookup Decoding" (2023), which vLLM calls `ngram` speculation. What it predicts is compared with every
token that comes, whether or not it was drafted, so how often it is right is known without computing anything for it.
"""

_NGRAM_SIZES = (3, 2)
"""Of so many last tokens an earlier place is looked for, the longer first: vLLM's `prompt_lookup_max` and `_min`."""

_KEPT = 0.95
"""What the tokens before count beside each new one: the last twenty or so decide."""

_FIRST_RATE, _FIRST_WEIGHT = 0.5, 1.0
"""The acceptance rate of a new sequence, and how many tokens that counts as: the best of some for texts of SmolLM2."""


class PromptLookup:
    """Follows one sequence, and predicts its next tokens.

    Args:
        token_ids: The sequence's own list, the prompt and then the completion, which grows.
        num_prompt_tokens: How many of them are the prompt.
    """

    def __init__(self, token_ids: list[int], num_prompt_tokens: int) -> None:
        self._token_ids, self._num_prompt_tokens = token_ids, num_prompt_tokens
        self._places: dict[tuple[int, ...], int] = {}
        self._num_read = 0
        self._next_place: int | None = None
        self._num_right = _FIRST_RATE * _FIRST_WEIGHT
        self._num_predicted = _FIRST_WEIGHT

    @property
    def acceptance_rate(self) -> float:
        """The part of the predicted tokens that came, of late, from 0 to 1; 0 if nothing is predicted now."""
        return 0.0 if self._next_place is None else self._num_right / self._num_predicted

    def catch_up(self) -> None:
        """Reads the tokens that have come since the last time."""
        for place in range(self._num_read, len(self._token_ids)):
            if self._next_place is not None:
                self._compare(place, self._next_place)
            self._find(place + 1)
        self._num_read = len(self._token_ids)

    def predict(self, num_tokens: int) -> list[int]:
        """The tokens that may come next; a place so near to the end is taken to be repeated again and again."""
        first = self._next_place
        assert first is not None, "nothing is predicted"
        period = self._num_read - first
        return [self._token_ids[first + place % period] for place in range(num_tokens)]

    def _compare(self, place: int, predicted_place: int) -> None:
        is_right = self._token_ids[predicted_place] == self._token_ids[place]
        self._next_place = predicted_place + 1 if is_right else None
        if place >= self._num_prompt_tokens:
            self._num_right = _KEPT * self._num_right + is_right
            self._num_predicted = _KEPT * self._num_predicted + 1

    def _find(self, end: int) -> None:
        """Looks for where the tokens before `end` stood last, unless that is known, and notes that they stand here."""
        for size in _NGRAM_SIZES:
            if size > end:
                continue
            ngram = tuple(self._token_ids[end - size : end])
            if self._next_place is None:
                self._next_place = self._places.get(ngram)
            self._places[ngram] = end
