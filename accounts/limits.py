"""How much one token may ask for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

MAX_LIMIT: Final = 1_000_000_000

_NUMBER: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token may ask for; each is 0 to `MAX_LIMIT`.

    0 is no limit, None says nothing, so that the server's own default counts.

    Attributes:
        requests_per_minute: How many requests.
        tokens_per_minute: How many tokens, those of prompts and completions together.
        concurrent_streams: How many completions at the same time, whole ones included.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_streams: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Reads limits by the names of `LIMIT_NAMES`.

        Raises:
            ValueError: A value is no number in range.
        """
        return cls(**{name.replace("-", "_"): _read(name, value) for name, value in values.items()})

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads limits as `str` writes them.

        Raises:
            ValueError: A word is none of them, or is there twice.
        """
        pairs = [word.partition("=")[::2] for word in text.split()]
        values = dict(pairs)
        if len(values) != len(pairs) or not values.keys() <= set(LIMIT_NAMES):
            raise ValueError(f"give each of {', '.join(LIMIT_NAMES)} at most once, with = and a number behind it")
        return cls.of(values)

    def over(self, defaults: "Limits") -> "Limits":
        """These limits; where they say nothing, the defaults."""
        mine, others = self.values(), defaults.values()
        return Limits(*(other if value is None else value for value, other in zip(mine, others, strict=True)))

    def values(self) -> tuple[int | None, int | None, int | None]:
        """The limits in the order of `LIMIT_NAMES`."""
        return self.requests_per_minute, self.tokens_per_minute, self.concurrent_streams

    def __str__(self) -> str:
        """The limits as a line of a token file has them."""
        named = zip(LIMIT_NAMES, self.values(), strict=True)
        return " ".join(f"{name}={value}" for name, value in named if value is not None)


LIMIT_NAMES: Final = tuple(each.name.replace("_", "-") for each in fields(Limits))


def _read(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value) or int(value) > MAX_LIMIT:
        raise ValueError(f"{name}={value[:20]} is no number from 0, which is no limit, to {MAX_LIMIT}")
    return int(value)
