"""Requests with a secret in each place where a client may write one."""

import copy

from google.protobuf.descriptor import FieldDescriptor

SECRET = "my_dear_doctor"

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]}
BODY = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "t", "tool_call_id": "1", "name": "f"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": PARAMETERS}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "stop": ["z"],
    "logit_bias": {"1": 0},
    "max_tokens": 1,
    "temperature": 0,
}
FORMATTED = {
    "messages": [{"role": "user", "content": "u"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": PARAMETERS}},
    "max_tokens": 1,
}


def places(value, path=()):
    """The path of everything in a value, of the value itself first."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def with_secret(body, path, what):
    """A copy of a body with the secret as the value, or among the values, or as a name, at a place."""
    changed = copy.deepcopy(body)
    at = changed
    for step in path[:-1]:
        at = at[step]
    if what == "name":
        at[SECRET] = at.pop(path[-1]) if isinstance(at, dict) else SECRET
    else:
        at[path[-1]] = {"value": SECRET, "list": [SECRET], "object": {SECRET: SECRET}}[what]
    return changed


BODIES = [
    with_secret(body, path, what)
    for body in (BODY, FORMATTED)
    for path in places(body)
    for what in ("value", "list", "object", "name")
    if path and (what != "name" or isinstance(path[-1], str))
]


def secret_messages(message, allowed, depth=6):
    """Copies of a message, each with the secret in one field of text, in those of its parts too.

    Args:
        allowed: The names of fields that logs may have.
        depth: How many messages may be in each other.
    """
    for field in message.DESCRIPTOR.fields:
        if field.name in allowed:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            yield _with(message, field, SECRET)
        elif field.message_type and depth and not field.message_type.GetOptions().map_entry:
            for part in secret_messages(_part(message, field), allowed, depth - 1):
                yield _with(message, field, part)


def _part(message, field):
    """What a field of a message has, its first if it is a list; an empty one if it has none."""
    changed = copy.deepcopy(message)
    value = getattr(changed, field.name)
    if field.is_repeated:
        return value[0] if value else value.add()
    return value


def _with(message, field, value):
    """A copy of a message, with one value in a field."""
    changed = copy.deepcopy(message)
    changed.ClearField(field.name)
    if field.is_repeated:
        getattr(changed, field.name).append(value)
    elif field.message_type:
        getattr(changed, field.name).CopyFrom(value)
    else:
        setattr(changed, field.name, value)
    return changed
