"""The form that a request wants its completion to have: checks and limits that need no model."""

import json
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.errors import InvalidRequestError, UnsatisfiableFormatError
from service.requests.json_text import MAX_DEPTH, MAX_SCHEMA_CHARACTERS, depth, finite
from service.schemas.form import Form, as_json, modern_schema
from service.schemas.grammar_schema import compilable

_MAX_REGEX_CHARACTERS = 4_096
MAX_CHOICES = 1_024
_MAX_CHOICE_CHARACTERS = 65_536


def to_form(request: pb.RunRequest) -> Form | None:
    """The form that a request asks for by `response_format`; None if any will do.

    Raises:
        InvalidRequestError: A field is empty, or not what it should be.
        UnsatisfiableFormatError: Nothing has the form, or it takes more to tell than the service reads.
    """
    if not request.HasField("response_format"):
        return None
    wanted = request.response_format
    match wanted.WhichOneof("format"):
        case "json_object":
            return _form({"type": "object"})
        case "json_schema":
            return _json_schema(wanted.json_schema)
        case "regex":
            return Form(_regex(wanted.regex))
        case "choice":
            return Form(_choice(tuple(wanted.choice.values)))
        case _:
            message = "response_format is empty: set json_object, json_schema, regex or choice"
            raise InvalidRequestError(message, "response_format")


def check_form(request: pb.RunRequest) -> None:
    """Checks what can be told of a form at once, for a request that is not to run yet.

    Raises:
        As `to_form`, but for schemas that no finite value fits.
    """
    text = request.response_format.json_schema
    if text:
        _read(text, "response_format.json_schema")
    else:
        to_form(request)


def _form(schema: Any) -> Form:
    grammar = GrammarSpec(GrammarKind.JSON_SCHEMA, (as_json(compilable(schema)),))
    return Form(grammar, as_json(schema))


def _json_schema(text: str) -> Form:
    field = "response_format.json_schema"
    return _form(modern_schema(_read(text, field), field))


def _read(text: str, field: str) -> Any:
    _check_size(field, len(text), MAX_SCHEMA_CHARACTERS, "characters")
    try:
        schema = json.loads(text, parse_float=finite, parse_constant=finite)
        is_too_deep = depth(schema) > MAX_DEPTH
    except RecursionError:
        is_too_deep = True
    except ValueError as error:
        raise InvalidRequestError(f"{field} can't be read: {error}", field) from None
    if is_too_deep:
        raise UnsatisfiableFormatError(f"{field} is nested deeper than {MAX_DEPTH} levels", field)
    if schema is False:
        raise UnsatisfiableFormatError(f"{field} is false, which no value fits", field)
    if schema is not True and not isinstance(schema, dict):
        raise InvalidRequestError(f"{field} is no JSON Schema: it must be an object, true or false", field)
    if isinstance(schema, dict) and "name" in schema and isinstance(schema.get("schema"), dict):
        # OpenAI's envelope has no keyword of JSON Schema and would let everything through.
        raise InvalidRequestError(f"{field} holds a name and a schema: send only the schema", field)
    return {} if schema is True else schema


def _regex(regex: str) -> GrammarSpec:
    field = "response_format.regex"
    _check_size(field, len(regex), _MAX_REGEX_CHARACTERS, "characters")
    if not regex:
        raise InvalidRequestError(f"{field} is empty: it needs at least 1 character", field)
    if (len(regex) - len(regex.rstrip("\\"))) % 2:
        raise InvalidRequestError(f"{field} ends in a backslash that escapes nothing", field)
    return GrammarSpec(GrammarKind.REGEX, (regex,))


def _choice(values: tuple[str, ...]) -> GrammarSpec:
    field = "response_format.choice.values"
    if not values:
        raise InvalidRequestError(f"{field} is empty: it needs at least 1 text", field)
    _check_size(field, len(values), MAX_CHOICES, "texts")
    _check_size(field, sum(map(len, values)), _MAX_CHOICE_CHARACTERS, "characters")
    return GrammarSpec(GrammarKind.CHOICE, values)


def _check_size(field: str, size: int, limit: int, unit: str) -> None:
    if size > limit:
        raise UnsatisfiableFormatError(f"{field} has {size} {unit}; the most that can be used is {limit}", field)
