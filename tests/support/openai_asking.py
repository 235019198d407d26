"""Asking a bridge over OpenAI's routes, and reading what it says."""

import json
import re
from typing import Any

from bridge.http.access_log import Access
from bridge.openai import chat_request, completion_request
from bridge.openai.request import OpenAiInput
from bridge.openai.responses import request as responses_request
from bridge.openai.responses.request import ResponsesInput
from tests.support.fake_service import DEMO
from tests.support.running_bridge import Answer, Bridge

V1 = "/v1"
IN_ACCOUNT = "/client/v4/accounts/acc/ai/v1"
BASES = [V1, IN_ACCOUNT]

CHAT = {"model": DEMO, "messages": [{"role": "user", "content": "where is new york?"}]}
COMPLETION = {"model": DEMO, "prompt": "New York is"}
RESPONSE = {"model": DEMO, "input": "where is new york?"}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}

TIMES = re.compile(rb'("id":"id-|"created":)\d+')


async def chat(bridge: Bridge, base: str = V1, **fields: Any) -> Answer:
    """Asks for a chat completion."""
    return await bridge.ask("POST", f"{base}/chat/completions", json={**CHAT, **fields})


async def complete(bridge: Bridge, base: str = V1, **fields: Any) -> Answer:
    """Asks for a text completion."""
    return await bridge.ask("POST", f"{base}/completions", json={**COMPLETION, **fields})


async def respond(bridge: Bridge, base: str = V1, **fields: Any) -> Answer:
    """Asks for a response."""
    return await bridge.ask("POST", f"{base}/responses", json={**RESPONSE, **fields})


def parse_chat(body: bytes) -> OpenAiInput:
    """Reads the body of a chat completion as the bridge does."""
    return chat_request.parse_chat(body, Access())


def parse_completion(body: bytes) -> OpenAiInput:
    """Reads the body of a text completion as the bridge does."""
    return completion_request.parse_completion(body, Access())


def parse_responses(body: bytes) -> ResponsesInput:
    """Reads the body of `responses` as the bridge does."""
    return responses_request.parse_responses(body, Access())


def at_no_time(body: bytes) -> bytes:
    """A body with 0 for every time in it."""
    return TIMES.sub(rb"\g<1>0", body)


def read_chunks(body: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream that has ended well."""
    *events, done, rest = body.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def error_of(answer: Answer) -> tuple[int, dict[str, Any]]:
    """Its status and the error in OpenAI's shape, without the request's id in the message."""
    error = json.loads(answer.body)["error"]
    request_id = f" ({answer.headers['x-request-id']})"
    return answer.status, {**error, "message": error["message"].removesuffix(request_id)}


def read_named_events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream of `responses`, each with its name."""
    *events, rest = body.decode().split("\n\n")
    assert rest == ""
    found = [re.fullmatch("event: ([a-z_.]+)\ndata: (.*)", event) for event in events]
    return [(match[1], json.loads(match[2])) for match in found if match]
