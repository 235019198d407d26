"""Forms that an answer must have, and the values of texts that have them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runstream.fields import set_field
from runstream.spelling import check_names
from runstream.tools import JsonModel, is_json_model, schema_json
from runstream.v1 import text_generation_pb2 as pb


@dataclass(frozen=True, slots=True)
class Regex:
    """A text that a regular expression matches as a whole: 1 to 4,096 characters."""

    pattern: str


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """One of some texts, 1 to 1,024: `Choice("yes", "no")`."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


ResponseFormatLike = type[JsonModel] | Mapping[str, Any] | str | Regex | Choice | pb.ResponseFormat

JSON_OBJECT: Final = "json_object"


def to_response_format(form: ResponseFormatLike) -> pb.ResponseFormat:
    """Translates a form to the contract's.

    Args:
        form: A pydantic model; a JSON Schema as dict or JSON; "json_object" for any object; OpenAI's dicts with type
            "json_object", "json_schema" or "text"; a `Regex`; a `Choice`.

    Raises:
        TypeError: It is no form.
        ValueError: A text of it has half a character, or its schema can't be written as JSON.
    """
    if isinstance(form, pb.ResponseFormat):
        return form
    if isinstance(form, Regex):
        return _made("regex", form.pattern, "response_format.regex")
    if isinstance(form, Choice):
        choice = pb.Choice()
        set_field(choice, "values", form.values, "response_format.choice")
        return pb.ResponseFormat(choice=choice)
    if form == JSON_OBJECT:
        return pb.ResponseFormat(json_object=pb.JsonObject())
    if isinstance(form, Mapping) and form.get("type") in (JSON_OBJECT, "json_schema", "text"):
        return _from_openai(form)
    return _made("json_schema", schema_json(form, "response_format"), "response_format")


def _made(field: str, text: Any, where: str) -> pb.ResponseFormat:
    made = pb.ResponseFormat()
    set_field(made, field, text, where)
    return made


def _from_openai(form: Mapping[str, Any]) -> pb.ResponseFormat:
    check_names(form, ("type", "json_schema") if form["type"] == "json_schema" else ("type",), "response_format")
    if form["type"] == "text":
        return pb.ResponseFormat()
    if form["type"] == JSON_OBJECT:
        return pb.ResponseFormat(json_object=pb.JsonObject())
    where = "response_format.json_schema"
    return _made("json_schema", _schema_json(form.get("json_schema"), where), where)


def _schema_json(described: Any, where: str) -> str:
    # No keyword of JSON Schema is called `schema` or `name`: what has one of them is OpenAI's envelope around a schema.
    if not isinstance(described, Mapping) or not ("schema" in described or isinstance(described.get("name"), str)):
        return schema_json(described, where)
    check_names(described, ("name", "description", "schema", "strict"), where)
    return schema_json(described.get("schema"), f"{where}.schema")


def parser(form: ResponseFormatLike | None, made: pb.ResponseFormat) -> Callable[[str], Any] | None:
    """Finds what turns a text of that form into the pydantic model's instance, or into JSON; None for plain text.

    Args:
        made: What `to_response_format` made of the form; empty for None.
    """
    if is_json_model(form):
        return form.model_validate_json
    return json.loads if made.WhichOneof("format") in (JSON_OBJECT, "json_schema") else None
