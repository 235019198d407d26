"""Cloudflare's v4 envelope around results and errors, to the byte."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError, GatewayError
from bridge.http.json_text import JsonText, json_response, to_json
from bridge.upstream.finish_reasons import FINISH_REASONS
from bridge.workers_ai.json_mode import json_answer
from bridge.workers_ai.tool_calls import is_whole


def native_result(response: pb.RunResponse, *, is_json_mode: bool) -> dict[str, Any]:
    """A whole answer as the output template of Cloudflare's model pages has it: response, tool_calls, usage.

    `finish_reason` is not there at Cloudflare; workers-ai-provider reads it at this place. `reasoning_content` is there
    if the model thought, as Cloudflare's models that reason call it.

    Raises:
        AiError: JSON mode was not met.
    """
    tool_calls = native_tool_calls(response.tool_calls)
    answer = response.text or None if tool_calls else json_answer(response) if is_json_mode else response.text
    counted = usage(response.usage)
    finish_reason = FINISH_REASONS[response.finish_reason]
    return {
        "response": answer,
        **({"reasoning_content": response.reasoning_content} if response.reasoning_content else {}),
        "tool_calls": tool_calls,
        "usage": counted,
        "finish_reason": finish_reason,
    }


def native_tool_calls(calls: Iterable[pb.ToolCall]) -> list[dict[str, Any]]:
    """Those tool calls that are whole in Workers AI's spelling, with objects for arguments."""
    return [{"name": call.name, "arguments": JsonText(call.arguments_json)} for call in calls if is_whole(call)]


def usage(counted: pb.Usage) -> dict[str, Any]:
    """The token counts; `prompt_tokens_details` stands where captures of 2026 have it. Thinking is told if there is."""
    thought = {"completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens}}
    return {
        "prompt_tokens": counted.prompt_tokens,
        "completion_tokens": counted.completion_tokens,
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_prompt_tokens},
        **(thought if counted.reasoning_tokens else {}),
    }


def success(result: object, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The envelope of an answer."""
    return {"result": result, "success": True, "errors": [], "messages": messages}


def success_around(result: bytes, messages: list[dict[str, Any]]) -> bytes:
    """The envelope of an answer whose result is written already."""
    return b'{"result":' + result + to_json(success(None, messages)).removeprefix(b'{"result":null')


def ai_failure(error: AiError, request_id: str) -> web.Response:
    """The answer that the AI layer gives; its order of keys is not that of the layer before it."""
    entry = {"message": error.message(request_id), "code": error.rule.code}
    body = {"errors": [entry], "success": False, "result": {}, "messages": []}
    return json_response(body, error.rule.status, error.headers())


def gateway_failure(error: GatewayError) -> web.Response:
    """The answer that routing and authentication give."""
    entry = {"code": error.code, "message": error.message}
    body = {"result": None, "success": False, "errors": [entry], "messages": []}
    return json_response(body, error.status, dict(error.headers))


def binding_failure(error: AiError, request_id: str) -> web.Response:
    """The flat answer that the AI layer gives to a Worker's binding, which reads name, internalCode and description."""
    body = {
        "name": "AiError",
        "internalCode": error.rule.code,
        "httpCode": error.rule.status,
        "message": error.message(request_id),
        "description": error.flat_description,
        "requestId": request_id,
    }
    return json_response(body, error.rule.status, error.headers())


def binding_gateway_failure(error: GatewayError) -> web.Response:
    """The answer of routing and authentication to a Worker's binding: the v4 envelope, as Cloudflare's API has it.

    workerd of 2024 reads nothing but the flat fields and would throw "undefined: undefined", so those are there too.
    """
    entry = {"code": error.code, "message": error.message}
    body = {"result": None, "success": False, "errors": [entry], "messages": []}
    flat = {"name": "AiError", "internalCode": error.code, "httpCode": error.status, "description": error.message}
    return json_response({**body, **flat}, error.status, dict(error.headers))


def stand_in_messages(model_id: str, served_model: str) -> list[dict[str, Any]]:
    """Says in the envelope's `messages` that another model than the one asked for has answered."""
    if model_id == served_model:
        return []
    text = (
        f"{served_model} stands in for {model_id}, whose weights are not on this machine: "
        f"this is not {model_id}'s answer."
    )
    return [{"code": 1000, "message": text}]


def retirement_messages(model: models_pb2.Model) -> list[dict[str, Any]]:
    """Says in the envelope's `messages` that Cloudflare answers no more for a model, or by another one."""
    if not model.retired:
        return []
    instead = f"answers its requests by {model.replaced_by}, as this server does"
    rest = f"and {instead}" if model.replaced_by else "and this server still answers for it"
    return [{"code": 1001, "message": f"Cloudflare has retired {model.id} on {model.retired}, {rest}."}]
