"""A page that nobody has placed yet is in the site all the same."""

from mkdocs.config.defaults import MkDocsConfig

from scripts.site.hook import on_config
from tests.support.repository import ROOT

PAGES = {path.name for path in (ROOT / "docs").glob("*.md")}


def config_of(nav):
    config = MkDocsConfig()
    config.nav = nav
    return config


def test_pages_that_the_list_does_not_name_stand_at_its_end():
    named = ["index.md", {"Operations": [{"Several machines": "scale.md"}, "operations.md"]}]
    config = on_config(config_of(named))
    assert config.nav
    assert config.nav[:2] == named
    assert set(config.nav[2]["More"]) == PAGES - {"scale.md", "operations.md"}


def test_a_complete_list_stays_as_it_is():
    config = on_config(config_of(sorted(PAGES)))
    assert config.nav == sorted(PAGES)
