"""The site of docs/ is built without a warning, its links lead somewhere, and it asks no other server for anything."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from tests.support.repository import ROOT

LOADING = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}


class Page(HTMLParser):
    """What a page names, leads to and loads."""

    def __init__(self, text):
        super().__init__()
        self.names, self.links, self.loads = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name"):
                self.names.add(value)
            elif (tag, name) in LOADING:
                self.loads.append(value)
            elif (tag, name) == ("a", "href") and "://" not in value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Its pages, by path; but for the one of unknown addresses, whose links begin at the server's root."""
    return {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_document_for_readers_is_a_page(site, pages):
    names = {str(path.relative_to(site)) for path in pages}
    assert {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} < names
    assert {"index.html", "architecture.html", "contributing.html", "reference/rest.html", "clients/go.html"} < names


def test_every_link_and_anchor_leads_somewhere(site, pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists() or (anchor and anchor not in pages[target].names):
                broken.append((str(path.relative_to(site)), link))
    assert not broken


def test_nothing_is_loaded_from_another_server(pages):
    assert not [address for page in pages.values() for address in page.loads if "//" in address]


def test_style_sheets_load_nothing_from_another_server(site):
    texts = [path.read_text() for path in site.rglob("*.css")]
    assert texts
    assert not [text for text in texts if "url(http" in text or "url(//" in text or "@import" in text]
