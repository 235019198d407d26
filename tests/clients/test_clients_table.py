"""The table of docs/clients.md, of what each client has, compared with what they do have."""

import inspect
import json
import re
import subprocess

import click
import pytest
import runstream
from runstream import library
from runstream.batches import AsyncBatches
from runstream.calls import CallSettings
from runstream.models import AsyncModels
from runstream.requests import RunOptions
from runstream.terminal.commands import cli
from runstream.v1 import batches_pb2, models_pb2, text_generation_pb2

from scripts.real_clients import NODE
from tests.support.client_builds import CLIENTS, build_typescript
from tests.support.followed_page import blocks, sections
from tests.support.repository import ROOT

NONE = "–"
MODULES = (text_generation_pb2, models_pb2, batches_pb2)
METHODS_IN_JAVASCRIPT = """
import * as runstream from "runstream";
const client = new runstream.Client();
const of = (prefix, object) => Object.getOwnPropertyNames(Object.getPrototypeOf(object)).map((name) => prefix + name);
const methods = [...of("", client), ...of("models.", client.models), ...of("batches.", client.batches)];
console.log(JSON.stringify([...methods, ...Object.keys(client), ...Object.keys(runstream)]));
"""
EXAMPLES = ("go/example/main.go", "cpp/example/main.cpp", "java/example/Example.java")


def rows():
    """The cells of each row below the heading, without the space around them."""
    text = sections((ROOT / "docs/clients.md").read_text())["What each client has"]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ROWS = rows()


def column(number):
    """The names in code of a column, by what its rows are about."""
    return {row[0]: re.findall(r"`([^`]+)`", row[number]) for row in ROWS}


def public(thing, prefix=""):
    """The public attributes of an object or a class."""
    return {f"{prefix}{name}" for name in dir(thing) if not name.startswith("_")}


def in_sync_client():
    """What a client in Python has, and what it has for models and batches."""
    with runstream.Client() as client:
        return public(client) | public(client.models, "models.") | public(client.batches, "batches.")


def in_async_client():
    """The same of a client for asyncio."""
    return public(runstream.AsyncClient) | public(AsyncModels, "models.") | public(AsyncBatches, "batches.")


def in_python():
    """The names that a user of the package writes: methods, exports, parameters, attributes of what comes back."""
    parameters = [set(inspect.signature(each).parameters) for each in (runstream.Client, CallSettings.changed)]
    attributes = public(runstream.RunResult) | public(runstream.Stream) | set(vars(runstream.RunstreamError("")))
    options = set(RunOptions.__annotations__).union(*parameters)
    return in_sync_client() | set(library.__all__) | options | attributes


@pytest.fixture(scope="session")
def in_javascript():
    """The names of the package's methods and exports, and of the options in its types."""
    build_typescript()
    command = [str(NODE), "--input-type=module", "--eval", METHODS_IN_JAVASCRIPT]
    said = subprocess.run(command, cwd=CLIENTS / "typescript", capture_output=True, text=True, check=True).stdout
    types = "".join(path.read_text() for path in (CLIENTS / "typescript/dist").glob("*.d.ts"))
    return set(json.loads(said)), set(re.findall(r"^    (?:readonly |get )?(\w+)\??[(:]", types, flags=re.MULTILINE))


def rpcs():
    """The names of the contract's methods."""
    services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
    return {method.name for service in services for method in service.methods}


def test_python_has_what_its_column_names():
    names = in_python()
    assert [name for cell in column(1).values() for name in cell if name not in names] == []


def test_asyncio_has_what_python_has():
    assert in_async_client() == in_sync_client()


def test_every_method_of_python_stands_in_the_table():
    told = {name for cell in column(1).values() for name in cell}
    assert in_sync_client() - told == {"close", "models", "batches"}


def test_javascript_has_what_its_column_names(in_javascript):
    names = in_javascript[0] | in_javascript[1]
    assert [name for cell in column(2).values() for name in cell if name not in names] == []


def test_every_method_of_javascript_stands_in_the_table(in_javascript):
    told = {name for cell in column(2).values() for name in cell}
    found = {name for name in in_javascript[0] if name[0].islower() and "constructor" not in name}
    assert found - told == {"close", "models", "batches", "createClient", "makeRequest"}


def test_what_javascript_is_said_to_lack_it_lacks(in_javascript):
    names = in_javascript[0] | in_javascript[1]
    lacking = [name for row in ROWS if row[2] == NONE for name in column(1)[row[0]]]
    spelled = {re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in lacking}
    assert spelled & names <= {"target"}  # which is one address there


def test_the_stubs_have_every_rpc_that_their_column_names():
    told = {name for cell in column(3).values() for name in cell}
    go = "".join(path.read_text() for path in (CLIENTS / "go").rglob("*_grpc.pb.go"))
    java = "".join(path.read_text() for path in (CLIENTS / "java/src").rglob("*Grpc.java"))
    assert rpcs() <= told
    for name in rpcs():
        assert re.search(rf"^\t{name}\(ctx context\.Context, ", go, flags=re.MULTILINE)
        assert re.search(rf" {name[0].lower()}{name[1:]}\(\s*dev\.runstream\.v1", java)


def test_what_else_their_column_names_is_in_the_contract_or_in_code_that_is_run():
    page = sections((ROOT / "docs/stubs.md").read_text())
    code = [block.text for name in ("Go", "C++", "Java") for block in blocks(page[name])]
    code += [(CLIENTS / name).read_text() for name in EXAMPLES]
    fields = {
        field for kind in text_generation_pb2.DESCRIPTOR.message_types_by_name.values() for field in kind.fields_by_name
    }
    known = fields | rpcs() | set(re.findall(r"\w+", "".join(code)))
    assert [name for cell in column(3).values() for name in cell if name not in known] == []


def test_the_terminal_has_the_commands_and_options_that_its_column_names():
    context = click.Context(cli)
    names = cli.list_commands(context)
    commands = {f"runstream {name}" for name in names}
    params = [each for name in names if (command := cli.get_command(context, name)) for each in command.params]
    options = {option for each in params for option in (*each.opts, *each.secondary_opts)}
    told = [name for cell in column(4).values() for name in cell]
    assert set(told) <= commands | options
    assert commands <= set(told)


def test_what_the_binding_is_said_to_have_a_test_asks_it():
    asked = set(re.findall(r"\w+", (ROOT / "tests/node/worker_checks.js").read_text()))
    asked |= set(re.findall(r"\w+", (ROOT / "tests/conformance/test_worker.py").read_text()))
    assert [name for cell in column(5).values() for name in cell if name not in asked] == []


def test_every_cell_names_something_or_says_that_there_is_nothing():
    assert all(len(row) == 6 and all(row) for row in ROWS)
