"""What mkdocs calls while it builds the site: https://www.mkdocs.org/user-guide/configuration/#hooks."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.site import grpc_page, options_page, rest_page
from scripts.site.pages import OUTSIDE, ROOT, in_site

REFERENCE: Final[dict[str, Callable[[], str]]] = {
    "reference/rest.md": rest_page.markdown,
    "reference/grpc.md": grpc_page.markdown,
    "reference/options.md": options_page.markdown,
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts pages of docs/ that the list of mkdocs.yml does not name yet at its end."""
    named = set(_pages_in(config.nav))
    others = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name not in named)
    if others:
        config.nav = [*(config.nav or ()), {"More": others}]
    return config


def _pages_in(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for inner in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages_in(inner)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents that are not in docs/, and the reference."""
    for page, document in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / document).read_text()))
    for page, markdown in REFERENCE.items():
        files.append(File.generated(config, page, content=markdown()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files, **_: Any) -> str:
    """Makes links lead to pages."""
    return in_site(markdown, page.file.src_uri)
