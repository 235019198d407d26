"""docs/clients.md followed literally, from top to bottom: each language in a folder that has a checkout beside it."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.certificates import write_certificates
from tests.support.client_builds import CLIENTS, toolchain_of
from tests.support.followed_page import Reader, blocks, lay_out, sections
from tests.support.missing_tools import skip_or_fail
from tests.support.repository import ROOT
from tests.support.running_stack import run_stack

SECTIONS = sections((ROOT / "docs/clients.md").read_text())
PARTS = ["Install", "Ten lines", "Run", "Errors", "TLS and token"]
LANGUAGES = ["Python", "Node.js", "Go", "C++", "Java", "The terminal", "Workers"]
OTHERS = ["Without a client", "Other languages"]
TOOLCHAINS = {"Go": "go", "C++": "cpp", "Java": "java"}
TOOLS = {"Workers": ["curl"], "Other languages": ["protoc", "grpc_ruby_plugin", "grpc_php_plugin"]}
LEFT_OUT = {"Go": ["sh"], "Other languages": ["xml", "rust", "sh"]}
TOKEN = "s3cret"
NO_INDEX = re.compile(
    r"(NewConnection|NameResolution|ConnectTimeout|Proxy|MaxRetry)Error|Retrying"
    r"|npm (error|ERR!) code (E[A-Z_]*(CONN|NOTFOUND|TIMEDOUT|AGAIN|SOCKET)\w*|ENOTCACHED)"
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """What the service with TLS shows."""
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(certificates):
    """A service that speaks TLS and asks for a token."""
    settings = {
        "RUNSTREAM_SERVICE_TLS_CERT": str(certificates.cert),
        "RUNSTREAM_SERVICE_TLS_KEY": str(certificates.key),
        "RUNSTREAM_BRIDGE_SERVICE_CA": str(certificates.ca),
        "RUNSTREAM_SERVICE_TOKEN": TOKEN,
        "RUNSTREAM_BRIDGE_SERVICE_TOKEN": TOKEN,
    }
    with run_stack(**settings) as stack:
        yield stack


@pytest.fixture
def folder(section, tmp_path):
    """An empty folder, but for the checkout. C++ keeps what it has compiled of stubs that did not change."""
    folder = CLIENTS / "cpp/build/page" if section == "C++" else tmp_path
    lay_out(folder)
    return folder


@pytest.fixture
def reader(section, folder, running_stack, secure, certificates):
    """Somebody who has read nothing else."""
    if section in TOOLCHAINS:
        toolchain_of(TOOLCHAINS[section])
    missing = [tool for tool in TOOLS.get(section, []) if not shutil.which(tool)]
    if missing:
        skip_or_fail(f"docs/clients.md, {section}: no {', '.join(missing)}")
    shutil.copy(certificates.ca, folder / "ca.pem")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "npm_config_prefer_offline": "true",
        "npm_config_update_notifier": "false",
    }
    if section == "The terminal":
        environment["RUNSTREAM_TARGET"] = running_stack.service_address
    if section == "Workers":
        environment["RUNSTREAM_URL"] = running_stack.url
    addresses = {"127.0.0.1:50051": running_stack.service_address, "gpu.example.org:50051": secure.service_address}
    return Reader(folder, environment, addresses)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("section", LANGUAGES + OTHERS)
def test_every_block_of_a_section_does_what_the_page_says(section, reader):
    for block in blocks(SECTIONS[section]):
        try:
            if block.is_followed:
                reader.follow(block)
        except AssertionError as error:
            if NO_INDEX.search(str(error)):
                skip_or_fail(f"docs/clients.md, {section}: a package index can't be reached")
            raise


@pytest.mark.parametrize("section", LANGUAGES)
def test_each_language_has_the_same_five_parts(section):
    assert list(sections(SECTIONS[section], 3)) == PARTS


def test_no_block_stands_where_it_is_not_followed():
    page = (ROOT / "docs/clients.md").read_text()
    assert page.count("\n```") == 2 * sum(len(blocks(SECTIONS[section])) for section in LANGUAGES + OTHERS)


@pytest.mark.parametrize("section", LANGUAGES + OTHERS)
def test_the_page_says_of_each_block_that_is_left_out_that_it_is(section):
    left_out = [block.language for block in blocks(SECTIONS[section]) if not block.is_followed]
    assert left_out == LEFT_OUT.get(section, [])
