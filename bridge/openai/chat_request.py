"""From the JSON of a chat completion to a `RunRequest`."""

from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.access_log import Access
from bridge.http.body import json_errors, parse_json
from bridge.openai.request import OpenAiInput, model_id_of, to_openai_input
from bridge.openai.schema import check_chat
from bridge.validation.refused_fields import check_media
from bridge.workers_ai.translation import to_conversation, to_message, to_request, to_response_format


@json_errors
def parse_chat(body: bytes, access: Access) -> OpenAiInput:
    """Reads what a request for chat completions says.

    Args:
        body: JSON, whatever the request's content type says.
        access: Is told the model's id, also if the rest of the body is refused.

    Raises:
        AiError: It is not JSON, not what the schema allows, or asks for what this surface does not have.
    """
    value = parse_json(body)
    access.model_id = model_id_of(value)
    return to_chat_input(check_chat(value))


def to_chat_input(fields: dict[str, Any]) -> OpenAiInput:
    """Reads a checked body.

    Raises:
        AiError: It asks for what this surface does not have.
    """
    messages = [_message(f"/messages/{index}", message) for index, message in enumerate(fields.get("messages", ()))]
    check_media(fields.get("messages", ()))
    spelling = {"/max_tokens": "/max_completion_tokens"} if "max_completion_tokens" in fields else {}
    fields = _with_max_tokens(fields)
    request, spelled = to_request(fields["model"], fields, _response_format(fields))
    if messages:
        request.conversation.CopyFrom(to_conversation(messages, fields))
    else:
        request.prompt.CopyFrom(pb.Prompt(text=fields["prompt"]))
    _ask_for_logprobs(request.sampling_params, fields)
    return to_openai_input(request, fields, {**spelling, **spelled})


def _response_format(fields: dict[str, Any]) -> pb.ResponseFormat | None:
    response_format = fields.get("response_format", {"type": "text"})
    if response_format["type"] != "text":
        return to_response_format(_unwrapped(response_format))
    if any(response_format.get(name) is not None for name in ("json_schema", "schema")):
        raise AiError("INVALID_REQUEST", "'/response_format' has a schema, but '/response_format/type' is 'text'")
    return None


def _message(path: str, message: dict[str, Any]) -> pb.Message:
    """Reads a message; `path` is where it stands. Developers are systems to all models of the catalog."""
    role = "system" if message["role"] == "developer" else message["role"]
    texts = [{"text": text} for text in _texts(f"{path}/content", message)]
    return to_message({**message, "role": role, "content": texts})


def _texts(path: str, message: dict[str, Any]) -> list[str]:
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        texts = [_text(f"{path}/{index}", part) for index, part in enumerate(content)]
    else:
        texts = [] if content is None else [content]
    return texts if refusal is None else [*texts, refusal]


def _text(path: str, part: dict[str, str]) -> str:
    kind = part["type"]
    if kind not in ("text", "refusal"):
        raise AiError("INVALID_REQUEST", f"'{path}/type' is '{kind}', but the models here read only text")
    if kind not in part:
        raise AiError("INVALID_REQUEST", f"required properties at '{path}' are 'type,{kind}'")
    return part[kind]


def _with_max_tokens(fields: dict[str, Any]) -> dict[str, Any]:
    if "max_completion_tokens" not in fields:
        return fields
    max_tokens = fields["max_completion_tokens"]
    if fields.get("max_tokens", max_tokens) != max_tokens:
        raise AiError("INVALID_REQUEST", "'/max_tokens' differs from '/max_completion_tokens', leave the former out")
    return {**fields, "max_tokens": max_tokens}


def _ask_for_logprobs(params: pb.SamplingParams, fields: dict[str, Any]) -> None:
    if fields.get("logprobs"):
        params.top_logprobs = int(fields.get("top_logprobs", 0))
    elif fields.get("top_logprobs"):
        raise AiError("INVALID_REQUEST", "'/top_logprobs' needs '/logprobs' to be true")


def _unwrapped(response_format: dict[str, Any]) -> dict[str, Any]:
    """A form without OpenAI's envelope around the schema, which may also be bare, as Workers AI takes it.

    No keyword of JSON Schema is called `schema` or `name`. The envelope's name and description are for the model, which
    sees neither, and every answer is as strict as `strict` asks for.
    """
    schema = response_format.get("json_schema")
    if not isinstance(schema, dict) or not ("schema" in schema or isinstance(schema.get("name"), str)):
        return response_format
    if not isinstance(schema.get("schema"), dict):
        raise AiError("INVALID_REQUEST", "'/response_format/json_schema/schema' must be a JSON Schema, an object")
    return {**response_format, "json_schema": schema["schema"]}
