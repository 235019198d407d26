"""Any of many texts, or the beginning of one, found in a time that does not depend on how many they are."""

import re
from collections.abc import Iterable
from typing import Any


def literal_pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """A pattern for texts, the longest where several begin; for none of them, one that matches nothing.

    An alternation tries each text at each place; here, texts that begin alike share their beginning.
    """
    tree: dict[str, Any] = {}
    for text in filter(None, texts):
        node = tree
        for character in text:
            node = node.setdefault(character, {})
        node[""] = {}
    return re.compile(_written(tree) or r"(?!)")


class Beginnings:
    """The beginnings of texts. Those that are nothing but letters and digits are left out: most words end with one.

    Args:
        texts: The texts.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        beginnings = {text[:length] for text in texts for length in range(1, len(text))}
        self._texts = frozenset(text for text in beginnings if not re.fullmatch(r"\w+", text))
        self._longest = max(map(len, self._texts), default=0)

    def at_end_of(self, text: str) -> int:
        """How many characters at a text's end are the longest of them."""
        lengths = range(min(self._longest, len(text)), 0, -1)
        return next((length for length in lengths if text[-length:] in self._texts), 0)


def _written(node: dict[str, Any]) -> str:
    """The pattern of what may follow."""
    run = ""
    while len(node) == 1 and "" not in node:  # a loop, since most texts of many characters have one ending
        ((character, node),) = node.items()
        run += re.escape(character)
    branches = [re.escape(character) + _written(following) for character, following in node.items() if character]
    if not branches:
        return run
    return f"{run}(?:{'|'.join(branches)}){'?' if '' in node else ''}"
