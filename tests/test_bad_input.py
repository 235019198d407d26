"""What clients send by mistake, through the whole chain: each mistake has its answer, and the server goes on."""

import json
from typing import Any

import pytest

from tests.support.running_service import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASK = {"prompt": "Where is New York?", "max_tokens": 3}
BAD_INPUT = "AiError: Bad input: Error: "
NO_MATCH = f"{BAD_INPUT}oneOf at '/' not met, 0 matches: "
NO_PROMPT, NO_MESSAGES = "required properties at '/' are 'prompt'", "required properties at '/' are 'messages'"

# What is sent, then the status, the code and how the message begins.
BODIES: dict[str, tuple[Any, int, int, str]] = {
    "bad JSON": (b'{"prompt": "where', 400, 5006, f"{BAD_INPUT}the body is not JSON: Unterminated string starting at"),
    "no JSON at all": (b"prompt=hi", 400, 5006, f"{BAD_INPUT}the body is not JSON: Expecting value at line 1 column 1"),
    "no object": ([ASK], 400, 5006, f"{BAD_INPUT}Type mismatch of '/', 'array' not in 'object'"),
    "empty body": (b"", 400, 3003, "AiError: Incomplete request: Request is missing headers or body: body"),
    "neither prompt nor messages": ({"max_tokens": 3}, 400, 5006, f"{NO_MATCH}{NO_PROMPT}, {NO_MESSAGES}"),
    "both": ({**ASK, "messages": []}, 400, 5006, f"{BAD_INPUT}oneOf at '/' not met, 2 matches"),
    "empty prompt": ({"prompt": ""}, 400, 5006, f"{NO_MATCH}Length of '/prompt' must be >= 1"),
    "no message": ({"messages": []}, 400, 5006, f"{NO_MATCH}{NO_PROMPT}, Number of entries of '/messages'"),
    "prompt of another type": ({"prompt": 4}, 400, 5006, f"{NO_MATCH}Type mismatch of '/prompt', 'integer' not in"),
    "stream of another type": ({**ASK, "stream": "yes"}, 400, 5006, f"{NO_MATCH}Type mismatch of '/stream', 'string'"),
    "message without content": (
        {"messages": [{"role": "user"}]},
        400,
        5006,
        f"{NO_MATCH}{NO_PROMPT}, required properties at '/messages/0' are 'role,content'",
    ),
    "a role that the template does not know": (
        {"messages": [{"role": "wizard", "content": "hi"}]},
        400,
        5006,
        f"{BAD_INPUT}the model's chat template refuses the messages: Only system, user and assistant roles",
    ),
    "prompt over the context": (
        {"prompt": "x" * 9_000, "raw": True},
        413,
        5021,
        "AiError: AiError: The number of input tokens (9001) exceeded this model's limit (8000).",
    ),
    "max_tokens over what is left": (
        {"prompt": "x" * 5_000, "raw": True, "max_tokens": 30_000},
        413,
        5021,
        "AiError: AiError: The estimated number of input and maximum output tokens (35001) exceeded this model "
        "context window limit (32000).",
    ),
    "max_tokens 0": ({**ASK, "max_tokens": 0}, 400, 5006, f"{NO_MATCH}'/max_tokens' must be >= 1, {NO_MESSAGES}"),
    "max_tokens negative": ({**ASK, "max_tokens": -1}, 400, 5006, f"{NO_MATCH}'/max_tokens' must be >= 1"),
    "max_tokens huge": (
        {**ASK, "max_tokens": 10**30},
        413,
        5021,
        f"AiError: AiError: '/max_tokens' is 2147483647; its range is 1 to 30000 for {MODEL}",
    ),
    "an empty stop": (
        {**ASK, "stop": ["a", ""]},
        400,
        5006,
        f"{NO_MATCH}Length of '/stop/1' must be >= 1",
    ),
    "a long stop": (
        {**ASK, "stop": "x" * 257},
        400,
        5006,
        f"{NO_MATCH}Length of '/stop' must be <= 256",
    ),
    "many stops": ({**ASK, "stop": ["a"] * 9}, 400, 5006, f"{NO_MATCH}Number of entries of '/stop' must be <= 8"),
    "repetition_penalty 0": (
        {**ASK, "repetition_penalty": 0},
        400,
        5006,
        f"{NO_MATCH}'/repetition_penalty' must be >= 0.01",
    ),
    "min_tokens over max_tokens": (
        {**ASK, "min_tokens": 4},
        400,
        5006,
        f"{BAD_INPUT}'/min_tokens' is 4; its range is 0 to max_tokens, which is 3",
    ),
    "a bias on a token that is not there": (
        {**ASK, "logit_bias": {"9999999999": 1}},
        400,
        5006,
        f"{BAD_INPUT}'/logit_bias' has token 2147483647; the token ids of the model that answers are 0 to",
    ),
    "five megabytes": (
        {"prompt": "x" * 5_000_000},
        413,
        3006,
        "AiError: Request too large: Request is too large",
    ),
    "a call that must be made of no tool": (
        {**ASK, "tool_choice": "required"},
        400,
        5006,
        f"{BAD_INPUT}'/tool_choice' asks for a call, but the request has no tools",
    ),
}


def check(answer, status, code, message):
    """Compares an error, and sees that it has Cloudflare's envelope."""
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    envelope = json.loads(answer.body)
    assert (envelope["success"], envelope["messages"]) == (False, [])
    assert answer.error[1] == code
    assert answer.error[2].startswith(message)


@pytest.mark.parametrize(("body", "status", "code", "message"), BODIES.values(), ids=BODIES)
async def test_a_bad_body_is_refused_and_the_next_one_answered(chain, body, status, code, message):
    check(await chain.bridge.run(body, MODEL), status, code, message)
    assert (await chain.ask(**ASK)).status == 200


@pytest.mark.parametrize("name", ["prompt over the context", "max_tokens huge", "no message"])
async def test_a_bad_body_that_asks_for_a_stream_is_answered_alike(chain, name):
    body, status, code, message = BODIES[name]
    check(await chain.bridge.run({**body, "stream": True}, MODEL), status, code, message)


async def test_an_unknown_model(chain):
    message = "AiError: No such model: No such model @cf/no/model or task"
    check(await chain.bridge.run(ASK, "@cf/no/model"), 400, 5007, message)
    check(await chain.bridge.run({**ASK, "stream": True}, "@cf/no/model"), 400, 5007, message)


async def test_a_model_whose_weights_are_not_here(chain):
    answer = await chain.bridge.run(ASK, "@test/absent")
    check(answer, 400, 5007, "AiError: No such model: ")
    assert "python -m service pull @test/absent" in answer.error[2]


async def test_a_wrong_method(chain):
    path = f"/client/v4/accounts/acc/ai/run/{MODEL}"
    check(await chain.bridge.ask("GET", path), 405, 7001, "GET not supported for requested URI.")


async def test_a_wrong_path(chain):
    check(await chain.bridge.ask("POST", "/client/v4/ai/run", json=ASK), 400, 7000, "No route for that URI")
