"""Does what a user does with Cloudflare's SDK, of either version, and prints what came of it as JSON.

A program, `python cloudflare_checks.py URL`, so that PYTHONPATH may lead to another version than the installed one.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, cast

import cloudflare
from cloudflare import Cloudflare

MODEL = "@cf/meta/llama-3.1-8b-instruct"
INPUTS: dict[str, Any] = {"account_id": "acc", "prompt": "where is new york?", "extra_body": {"temperature": 0}}


def stream(client: Cloudflare) -> list[str]:
    """The lines of a stream; run(stream=True) itself fails in the SDK, against Cloudflare too."""
    streaming = client.ai.with_streaming_response
    inputs = {**INPUTS, "extra_body": {"temperature": 0, "stream": True}}
    with streaming.run(MODEL, **inputs) as response:
        return [line for line in response.iter_lines() if line]


def call(client: Cloudflare) -> Any:
    """A conversation with a tool that must be called."""
    parameters = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
    tool: Any = {"name": "weather", "description": "Tells the weather.", "parameters": parameters}
    messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    extra = {"temperature": 0, "tool_choice": {"type": "function", "function": {"name": "weather"}}}
    return client.ai.run(MODEL, account_id="acc", messages=messages, tools=[tool], extra_body=extra)


def models(client: Cloudflare) -> list[str]:
    """The names of all models, page after page until an empty one."""
    rows: Any = client.ai.models.list(account_id="acc")
    return [row["name"] for row in rows]


def refused(client: Cloudflare, model: str, **inputs: Any) -> dict[str, Any]:
    """What the SDK raises."""
    try:
        return {"answer": client.ai.run(model, account_id="acc", **inputs)}
    except cloudflare.APIStatusError as error:
        first = cast(Any, error.errors)[0]
        return {"class": type(error).__name__, "status": error.status_code, "code": first.code, "text": first.message}


CHECKS: dict[str, Callable[[Cloudflare], Any]] = {
    "version": lambda _: cloudflare.__version__,
    "run": lambda client: client.ai.run(MODEL, **INPUTS),
    "stream": stream,
    "call": call,
    "models": models,
    "schema": lambda client: client.ai.models.schema.get(account_id="acc", model=MODEL),
    "no model": lambda client: refused(client, "@cf/none", prompt="hi"),
    "bad input": lambda client: refused(client, MODEL, prompt="hi", top_k=51),
    "lora": lambda client: refused(client, MODEL, prompt="hi", lora="refused"),
    "verify": lambda client: client.user.tokens.verify(),
}

if __name__ == "__main__":
    sdk = Cloudflare(base_url=f"{sys.argv[1]}/client/v4", api_token="any", max_retries=0)
    print(json.dumps({name: check(sdk) for name, check in CHECKS.items()}, default=lambda value: value.to_dict()))
