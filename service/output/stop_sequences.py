"""Stop sequences: texts that end a completion where they first appear in it."""

from collections import deque
from collections.abc import Iterable


class StopSearch:
    """Finds the first of some texts in a text that comes in pieces.

    The match that begins first is the first one; of several that begin at one place, the shortest, which is complete
    before the others. So neither the pieces nor the order of the texts make a difference. A match that lies behind the
    beginning of a longer one waits until that one is complete or can't become so. Characters are compared as they are,
    without Unicode normalization.

    What is pushed comes back at once, except for the longest end of it that is the beginning of one of the texts.

    Args:
        sequences: The texts, none of them empty. Without any, everything comes back at once.
        is_included: Whether the match comes back too, behind the text before it.

    Attributes:
        matched: The text that was found, when one was. Then nothing more is to be pushed.
    """

    def __init__(self, sequences: Iterable[str], *, is_included: bool = False) -> None:
        self.matched: str | None = None
        self._is_included = is_included
        self._root = self._node = _build(sequences)
        self._has_none = not self._root.children  # with nothing to find
        self._held = ""
        self._waiting: tuple[int, str] | None = None

    def push(self, text: str) -> str:
        """The text that no later text can make part of a match: all of it up to the match, if found."""
        if self._has_none:
            return text
        if self._node is self._root and self._root.children.keys().isdisjoint(text):
            return text
        num_held = len(self._held)
        seen = self._held + text
        for end, character in enumerate(text, num_held + 1):
            self._node = self._node.next(character)
            begin = end - self._node.depth  # of what may become the first match
            found = self._node.found
            if found is not None and (self._waiting is None or end - len(found) < self._waiting[0]):
                self._waiting = (end - len(found), found)
            if self._waiting is not None and self._waiting[0] <= begin:
                return self._end(seen)
        begin = len(seen) - self._node.depth
        self._held = seen[begin:]
        if self._waiting is not None:
            self._waiting = (self._waiting[0] - begin, self._waiting[1])
        return seen[:begin]

    def flush(self) -> str:
        """The text held back, or what of it stands up to a match that waited, once no text follows."""
        return self._end(self._held) if self.matched is None else ""

    def _end(self, seen: str) -> str:
        begin, self.matched = self._waiting or (len(seen), None)
        self._held = ""
        return seen[:begin] + (self.matched or "") * self._is_included


class _Node:
    """A state of Aho and Corasick's automaton: the longest end of a text that is the beginning of a sequence.

    Attributes:
        depth: How long that is.
        children: The states that one more character leads to.
        fallback: The state of the next shorter such end; None for that of none.
        found: The longest sequence that the text ends with.
    """

    __slots__ = ("children", "depth", "fallback", "found")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.children: dict[str, _Node] = {}
        self.fallback: _Node | None = None
        self.found: str | None = None

    def next(self, character: str) -> "_Node":
        """The state that the next character leads to."""
        node = self
        while character not in node.children:
            if node.fallback is None:
                return node
            node = node.fallback
        return node.children[character]


def _build(sequences: Iterable[str]) -> _Node:
    """The automaton's root; see Aho and Corasick, Efficient string matching, CACM 18 (1975)."""
    root = _Node(0)
    for sequence in sequences:
        node = root
        for character in sequence:
            node = node.children.setdefault(character, _Node(node.depth + 1))
        node.found = sequence
    root_children = list(root.children.values())
    for node in root_children:
        node.fallback = root
    waiting = deque(root_children)
    while waiting:
        node = waiting.popleft()
        for character, child in node.children.items():
            assert node.fallback is not None
            child.fallback = node.fallback.next(character)
            child.found = child.found or child.fallback.found
            waiting.append(child)
    return root
