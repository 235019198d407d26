"""The fields of vLLM's requests, beyond OpenAI's, that every surface honours: their schemas and what they mean.

`structured_outputs` is vLLM's present spelling of the forms, `guided_…` the one before it, which Workers AI has too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.validation.refused_fields import Refusal, Refused, check

MAX_STOP_TOKEN_IDS: Final = 64
MAX_BAD_WORDS: Final = 64
MAX_BAD_WORD_CHARACTERS: Final = 256
MAX_ALLOWED_TOKEN_IDS: Final = 8192
MAX_CHOICES_OF_TEXT: Final = 1024
MAX_FORM_CHARACTERS: Final = 65_536
MAX_CACHE_SALT_CHARACTERS: Final = 256
MAX_EFFORT_CHARACTERS: Final = 64

_TOKEN_ID: Final = {"type": "integer", "minimum": 0}
_JSON: Final = {
    "type": ["object", "string", "boolean"],
    "maxLength": MAX_FORM_CHARACTERS,
    "description": "The JSON Schema that the answer fits.",
}
_REGEX: Final = {
    "type": "string",
    "maxLength": MAX_FORM_CHARACTERS,
    "description": "A regular expression that matches the whole answer.",
}
_CHOICE: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_CHOICES_OF_TEXT,
    "items": {"type": "string", "maxLength": MAX_FORM_CHARACTERS},
    "description": "The answer is one of these texts.",
}
_JSON_OBJECT: Final = {"type": "boolean", "description": "Whether the answer is a JSON object."}
_FORMS: Final[Mapping[str, dict[str, Any]]] = {
    "json": _JSON,
    "regex": _REGEX,
    "choice": _CHOICE,
    "json_object": _JSON_OBJECT,
}


def _or_null(kind: str | list[str]) -> list[str]:
    return [*([kind] if isinstance(kind, str) else kind), "null"]


FIELDS: Final[Mapping[str, dict[str, Any]]] = {
    "stop_token_ids": {
        "type": "array",
        "maxItems": MAX_STOP_TOKEN_IDS,
        "items": _TOKEN_ID,
        "description": "Tokens that end the answer; they are not part of it.",
    },
    "include_stop_str_in_output": {
        "type": "boolean",
        "default": False,
        "description": "Whether the text of `stop` that ended the answer stands at its end.",
    },
    "bad_words": {
        "type": "array",
        "maxItems": MAX_BAD_WORDS,
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_BAD_WORD_CHARACTERS},
        "description": "Texts that the answer does not have, as the model's tokens spell them.",
    },
    "allowed_token_ids": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ALLOWED_TOKEN_IDS,
        "items": _TOKEN_ID,
        "description": "The only tokens that the answer is made of.",
    },
    "truncate_prompt_tokens": {
        "type": "integer",
        "minimum": 1,
        "description": "Only this many of the prompt's last tokens are kept.",
    },
    "cache_salt": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_CACHE_SALT_CHARACTERS,
        "description": "Keeps cached prefixes apart from those of requests with another salt.",
    },
    **{f"guided_{name}": schema for name, schema in _FORMS.items()},
    "structured_outputs": {
        "type": "object",
        "properties": {name: {**schema, "type": _or_null(schema["type"])} for name, schema in _FORMS.items()},
        "description": "The form of the answer, one of these.",
    },
}

CONVERSATION_FIELDS: Final[Mapping[str, dict[str, Any]]] = {
    "add_generation_prompt": {
        "type": "boolean",
        "description": "Whether the chat template begins the assistant's message; the default is true, but false with "
        "`continue_final_message`.",
    },
    "continue_final_message": {
        "type": "boolean",
        "default": False,
        "description": "Whether the answer continues the last message.",
    },
}

# What the chat template is told besides; where it makes no prompt, nobody can be told it.
TEMPLATE_FIELDS: Final[Mapping[str, dict[str, Any]]] = {
    "chat_template_kwargs": {
        "type": "object",
        "description": "Variables of the model's chat template, such as `enable_thinking`.",
    },
    "reasoning_effort": {
        "type": "string",
        "maxLength": MAX_EFFORT_CHARACTERS,
        "description": "How long the model thinks, in a word that its chat template reads; `none` turns thinking off "
        "where that can be done, `medium` asks for nothing.",
    },
}

_STRUCTURED_REFUSED: Final[Refused] = {
    "grammar": Refusal("use json, regex, choice or json_object"),
    "structural_tag": Refusal("use json, regex, choice or json_object"),
    "whitespace_pattern": Refusal("leave it out, the white space of JSON can't be chosen"),
    "disable_any_whitespace": Refusal("leave it out, the white space of JSON can't be chosen"),
    "disable_additional_properties": Refusal("say additionalProperties in the schema"),
}

# How the contract says it, and where its faults are told.
_TO_FORMAT: Final[Mapping[str, tuple[Callable[[Any], pb.ResponseFormat], str]]] = {
    "json": (lambda schema: pb.ResponseFormat(json_schema=_as_json(schema)), "json_schema"),
    "regex": (lambda regex: pb.ResponseFormat(regex=regex), "regex"),
    "choice": (lambda texts: pb.ResponseFormat(choice=pb.Choice(values=texts)), "choice/values"),
    "json_object": (lambda _: pb.ResponseFormat(json_object=pb.JsonObject()), "json_object"),
}


class Form(NamedTuple):
    """The form that an answer must have.

    Attributes:
        pointer: Where it stands in the body.
        response_format: What it is in the contract's words.
        spelling: As in `bridge.spelling`.
    """

    pointer: str
    response_format: pb.ResponseFormat
    spelling: Mapping[str, str]


def to_form(fields: Mapping[str, Any], response_format: pb.ResponseFormat | None) -> Form | None:
    """The one form that a checked body asks for; None if any will do.

    Args:
        fields: The body.
        response_format: What its `response_format` asks for, if it does.

    Raises:
        AiError: It asks for several, or for what can't be done.
    """
    check(fields.get("structured_outputs", {}), _STRUCTURED_REFUSED, "/structured_outputs")
    forms = list(_forms(fields))
    if response_format is not None:
        forms.append(Form("/response_format", response_format, {}))
    if len(forms) > 1:
        listed = ", ".join(f"'{form.pointer}'" for form in forms)
        raise AiError("INVALID_REQUEST", f"only one form can be asked for, leave out all but one of {listed}")
    return forms[0] if forms else None


def _forms(fields: Mapping[str, Any]) -> Iterator[Form]:
    structured = fields.get("structured_outputs", {})
    for name, (convert, field) in _TO_FORMAT.items():
        for pointer, value in (
            (f"/guided_{name}", fields.get(f"guided_{name}")),
            (f"/structured_outputs/{name}", structured.get(name)),
        ):
            # A schema may be false, which the service refuses; no object asked for is no form.
            if value is not None and (name != "json_object" or value):
                yield Form(
                    pointer,
                    convert(value),
                    dict.fromkeys(("/response_format", f"/response_format/{field}"), pointer),
                )


def _as_json(schema: object) -> str:
    """A schema as the contract holds it; vLLM takes it as JSON in a text as well."""
    return schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
