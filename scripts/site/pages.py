"""Which documents are pages of the site, and what their links become there."""

import posixpath
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

OUTSIDE: Final = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "releasing.md": "RELEASING.md",
    "changelog.md": "CHANGELOG.md",
    "demo-model.md": "service/demo/checkpoint/README.md",
    **{
        f"clients/{name}.md": f"clients/{name}/README.md"
        for name in ("cpp", "go", "java", "python", "typescript", "worker")
    },
}
"""Pages whose text is not in docs/, with the document that has it."""

_PAGES: Final = {document: page for page, document in OUTSIDE.items()}
_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def document_of(page: str) -> str:
    """The document that a page shows, by its path in the repository."""
    return OUTSIDE.get(page, f"docs/{page}")


def in_site(text: str, page: str) -> str:
    """The text of a page with its links as they are in the site.

    A link to another document leads to its page. One to a file that has no page becomes the file's path, as the site
    does not have the repository.

    Args:
        text: Markdown, with links as they stand in the document.
        page: The page's path in the site, which ends in `.md`.
    """
    document = document_of(page)
    parts = _FENCE.split(text)
    return "".join(
        part if index % 2 else _LINK.sub(lambda link: _link(link, document, page), part)
        for index, part in enumerate(parts)
    )


def _link(link: re.Match[str], document: str, page: str) -> str:
    name, hash_sign, anchor = link["target"].partition("#")
    if not name or "://" in name or name.startswith("mailto:"):
        return link[0]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(document), name))
    there = target.removeprefix("docs/") if target.startswith("docs/") else _PAGES.get(target)
    if there is None:
        return _named(link["text"], target)
    path = posixpath.relpath(there, posixpath.dirname(page) or ".")
    return f"{link['mark']}[{link['text']}]({path}{hash_sign}{anchor})"


def _named(text: str, target: str) -> str:
    """A file that is in the repository only."""
    return f"`{target}`" if text.strip("`") == target else f"{text} (`{target}`)"
