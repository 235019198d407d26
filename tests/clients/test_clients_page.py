"""docs/clients.md and docs/stubs.md followed literally, each language in a folder beside a checkout."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.client_builds import CLIENTS, kept_objects, toolchain_of
from tests.support.followed_page import Reader, blocks, lay_out, sections
from tests.support.missing_tools import skip_or_fail
from tests.support.ports import unused_ports
from tests.support.repository import ROOT

PAGES = [(ROOT / "docs" / name).read_text() for name in ("clients.md", "stubs.md")]
SECTIONS = {heading: text for page in PAGES for heading, text in sections(page).items()}
FIRST_ANSWER, SET_UP, *SECURE_SERVICE = blocks(SECTIONS["Start"])
PARTS = ["Install", "Ten lines", "Errors", "TLS and token"]
LANGUAGES = ["Python", "The terminal", "Node.js", "Workers", "Go", "C++", "Java"]
OTHERS = ["Without a client", "Other languages"]
# One reader follows a list from end to end.
FOLLOWED = [LANGUAGES[:2], *([section] for section in LANGUAGES[2:] + OTHERS)]
TOOLCHAINS = {"Go": "go", "C++": "cpp", "Java": "java"}
TOOLS = {"Workers": ["curl"], "Other languages": ["protoc", "grpc_ruby_plugin", "grpc_php_plugin"]}
LEFT_OUT = {"Go": ["sh"], "Other languages": ["xml", "rust", "sh"]}
NO_INDEX = re.compile(
    r"(NewConnection|NameResolution|ConnectTimeout|Proxy|MaxRetry)Error|Retrying"
    r"|npm (error|ERR!) code (E[A-Z_]*(CONN|NOTFOUND|TIMEDOUT|AGAIN|SOCKET)\w*|ENOTCACHED)"
)
ENVIRONMENT = {
    **os.environ,
    **kept_objects(),
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    "npm_config_prefer_offline": "true",
    "npm_config_update_notifier": "false",
}


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """The page's service with TLS and a token: the folder with its files, and its port."""
    checkout = tmp_path_factory.mktemp("secure") / "checkout"
    lay_out(checkout)
    environment, port = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, str(unused_ports(1)[0])
    with Reader(checkout, environment, {"50052": port}) as reader:
        for block in (SET_UP, *SECURE_SERVICE):
            reader.follow(block)
        yield checkout.parent / "tls", port


@pytest.fixture
def followed():
    """The sections that one reader follows."""
    return []


@pytest.fixture
def checkout(followed, tmp_path):
    """A checkout, with nothing beside it. C++ keeps what it has compiled of stubs that did not change."""
    folder = CLIENTS / "cpp/build/page" if "C++" in followed else tmp_path
    lay_out(folder / "checkout")
    return folder / "checkout"


@pytest.fixture
def reader(followed, checkout, running_stack, secure):
    """Somebody who has read nothing else."""
    for section in followed:
        if section in TOOLCHAINS:
            toolchain_of(TOOLCHAINS[section])
        missing = [tool for tool in TOOLS.get(section, []) if not shutil.which(tool)]
        if missing:
            skip_or_fail(f"docs, {section}: no {', '.join(missing)}")
    shutil.copytree(secure[0], checkout.parent / "tls", dirs_exist_ok=True)
    here = {"RUNSTREAM_TARGET": running_stack.service_address}
    if "Workers" in followed:
        here = {"RUNSTREAM_URL": running_stack.url}
    ports = {"50051": running_stack.service_address.rpartition(":")[2], "50052": secure[1]}
    with Reader(checkout, ENVIRONMENT | here, ports) as reader:
        yield reader


def test_the_first_answer_takes_what_the_checkout_has(reader):
    reader.follow(FIRST_ANSWER)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("followed", FOLLOWED, ids=" and ".join)
def test_every_block_of_a_section_does_what_the_page_says(followed, reader):
    reader.follow(SET_UP)
    for block in (block for section in followed for block in blocks(SECTIONS[section])):
        try:
            if block.is_followed:
                reader.follow(block)
        except AssertionError as error:
            if NO_INDEX.search(str(error)):
                skip_or_fail(f"docs, {', '.join(followed)}: a package index can't be reached")
            raise


@pytest.mark.parametrize("section", LANGUAGES)
def test_each_language_has_the_same_four_parts(section):
    assert list(sections(SECTIONS[section], 3)) == PARTS


def test_no_block_stands_where_it_is_not_followed():
    followed = sum(len(blocks(SECTIONS[section])) for section in ["Start", *LANGUAGES, *OTHERS])
    assert sum(page.count("\n```") for page in PAGES) == 2 * followed


@pytest.mark.parametrize("section", LANGUAGES + OTHERS)
def test_the_page_says_of_each_block_that_is_left_out_that_it_is(section):
    left_out = [block.language for block in blocks(SECTIONS[section]) if not block.is_followed]
    assert left_out == LEFT_OUT.get(section, [])
