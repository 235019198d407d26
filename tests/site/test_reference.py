"""The reference names every endpoint, field, call, message and option that there is."""

import re

import pytest

from bridge.openai.schema import CHAT_SCHEMA
from bridge.openapi.document import OPERATIONS
from scripts.site import grpc_page, options_page, rest_page
from scripts.site.fields import table

REST, GRPC, OPTIONS = rest_page.markdown(), grpc_page.markdown(), options_page.markdown()
CONTRACT = [file for file in grpc_page.descriptors().file if file.package == "runstream.v1"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_endpoint_is_there(operation):
    place = re.escape(f"{operation.method.upper()} {operation.path}")
    assert re.search(rf"^### {place}$|^Also at .*`{place}`", REST, flags=re.MULTILINE)


def test_every_field_of_a_chat_is_there():
    section = REST.partition("### POST /v1/chat/completions\n")[2].partition("\n### ")[0]
    assert set(CHAT_SCHEMA["properties"]) <= set(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE))


def test_every_call_message_and_field_of_the_contract_is_there_with_what_its_comment_says():
    services = [service for file in CONTRACT for service in file.service]
    messages = [message for file in CONTRACT for message in file.message_type]
    assert all(f"### {message.name}\n" in GRPC for message in messages)
    assert all(f"**`{method.name}`**: " in GRPC for service in services for method in service.method)
    fields = [field.name for message in messages for field in message.field]
    assert all(re.search(rf"^\| `{name}` \| [^|]+ \| \S", GRPC, flags=re.MULTILINE) for name in fields)


@pytest.mark.parametrize("option", ["--tensor-parallel", "--deadline-s", "RUNSTREAM_BRIDGE_TOKEN_FILE", "--if-missing"])
def test_options_of_servers_and_of_commands_are_there(option):
    assert option in OPTIONS


def test_a_field_is_required_only_where_every_alternative_requires_it():
    text = {"type": "string"}
    one = {"properties": {"a": text, "b": {**text, "maxLength": 3, "description": "B."}}, "required": ["a", "b"]}
    other = {"properties": {"a": {"enum": [1, None]}}, "required": ["a"]}
    assert table({"anyOf": [one, other]}).splitlines()[2:] == [
        "| `a` (required) | string, `1` |  |  |",
        "| `b` | string | 3 characters or fewer | B. |",
    ]


def test_fields_within_fields_have_a_path():
    inner = {"type": "array", "items": {"properties": {"role": {"const": "user"}, "gone": {"type": "null"}}}}
    assert table({"properties": {"messages": inner}}).splitlines()[3:] == ['| `messages[].role` | `"user"` |  |  |']
