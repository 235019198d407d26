"""The blocks of code in the documents, and the commands in them."""

import itertools
import re
import shlex
from dataclasses import dataclass

from markdown_it import MarkdownIt

from tests.support.repository import ROOT


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        document: Its file, from the root of the repository on.
        language: What the fence says; "" if it is indented.
        text: What it holds.
    """

    document: str
    language: str
    text: str

    def commands(self):
        """The commands in it, without prompts, comments, outputs and where the shell sends what they say."""
        text = re.sub(r"\\\n\s*", " ", self.text)
        if self.language == "console":
            text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
        commands = [shlex.split(line, comments=True) for line in text.splitlines()]
        return [
            list(itertools.takewhile(lambda word: word not in ("&", ">"), command)) for command in commands if command
        ]


def blocks_of(document):
    """The blocks of a document, in order."""
    tokens = MarkdownIt("commonmark").parse((ROOT / document).read_text())
    return [Block(document, one.info.strip(), one.content) for one in tokens if one.type in ("fence", "code_block")]
