"""Refuses names that nobody knows, with the nearest that somebody does."""

import difflib
from collections.abc import Iterable


def check_names(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuses all names that are not known.

    Args:
        what: What takes them, for the message, such as "run".

    Raises:
        TypeError: One is unknown; tells the nearest known ones.
    """
    expected = sorted(known)
    for name in names:
        if name not in expected:
            # What other APIs call a thing is often a part of its name here: "stop" is in "stop_sequences".
            text = str(name)
            near = sorted((one for one in expected if text in one.split("_")), key=lambda one: one.index(text))
            near += [one for one in difflib.get_close_matches(text, expected, n=3) if one not in near]
            hint = f"did you mean {' or '.join(near[:3])}?" if near else f"it takes {', '.join(expected)}"
            raise TypeError(f"{what} takes no {name!r}: {hint}")
