"""The cases that a client of each language is asked, and how its program is spoken to.

A program takes `--address HOST:PORT`, `--token TOKEN` and `--ca FILE`. Each line that it reads is a question,

    METHOD TIMEOUT_MS CANCEL_AFTER REQUEST

where METHOD is Run or RunStream, CANCEL_AFTER the number of parts after which it cancels and prints no other (0 for
never), and REQUEST a RunRequest as protobuf writes it in JSON. It prints a line of JSON for each message that comes
back, `{"response": …}` or `{"part": …}`, and then `{"status": …}`, a google.rpc.Status. So every value passes the
language's own types twice.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from google.rpc import status_pb2
from runstream.v1 import text_generation_pb2 as pb

MODEL = "@runstream/demo"
TIMEOUT_S = 60
_LINE_BYTES = 64 << 20

UNICODE = 'Zürich ☃ 🗽 \u0000 \u200d "\\" \r\n עברית'
SCHEMA = '{"type": "object", "properties": {"n": {"const": 4.0}}}'


def _message(role: str, *texts: str, **fields: Any) -> pb.Message:
    return pb.Message(role=role, content=[pb.ContentPart(text=text) for text in texts], **fields)


def _request(**fields: Any) -> pb.RunRequest:
    asked: dict[str, Any] = {"model": MODEL, "prompt": pb.Prompt(text="Where is New York?")}
    return pb.RunRequest(**asked | fields)


def _with_format(**form: Any) -> pb.RunRequest:
    return _request(response_format=pb.ResponseFormat(**form))


def _seeded(seed: int) -> pb.RunRequest:
    return _request(sampling_params=pb.SamplingParams(seed=seed))


SAMPLING_PARAMS = pb.SamplingParams(
    max_tokens=0,
    max_tokens_is_default=True,
    temperature=0.0,
    top_k=2_147_483_647,
    top_p=0.1,
    min_p=1e-300,
    repetition_penalty=1.0000000000000002,
    frequency_penalty=-2.0,
    presence_penalty=2.0,
    seed=0,
    logit_bias={0: -100.0, 2_147_483_647: 0.1},
    min_tokens=0,
    ignore_eos=True,
    top_logprobs=0,
    bad_words=["", "Zürich"],
    allowed_token_ids=[0, 2_147_483_647],
    top_prompt_logprobs=20,
)

CALL = pb.ToolCall(id="call-1", name="weather", arguments_json='{"n": 4.0}')

REQUESTS = {
    "prompt": _request(),
    "raw prompt": _request(prompt=pb.Prompt(text=UNICODE, raw=True)),
    "token ids": pb.RunRequest(model=MODEL, prompt_token_ids=pb.TokenIds(values=[0, 1, 2_147_483_647])),
    "conversation": pb.RunRequest(
        model=MODEL,
        conversation=pb.Conversation(
            messages=[
                _message("system", "", UNICODE, ""),
                _message("user", name="Zoë"),
                _message("assistant", tool_calls=[CALL], reasoning_content=UNICODE),
                _message("tool", "rain", tool_call_id="call-1"),
            ],
            add_generation_prompt=False,
            continue_final_message=True,
        ),
    ),
    "tools": _request(
        tools=[pb.Tool(name="weather", description=UNICODE, parameters_json=SCHEMA), pb.Tool(name="time")],
        tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED),
    ),
    "a tool by name": _request(tools=[pb.Tool(name="weather")], tool_choice=pb.ToolChoice(name="weather")),
    "JSON object": _with_format(json_object=pb.JsonObject()),
    "JSON schema": _with_format(json_schema=SCHEMA),
    "regex": _with_format(regex=r"\d+\.\p{L}"),
    "choice": _with_format(choice=pb.Choice(values=["yes", "", "ja ☃"])),
    "every sampling parameter": _request(sampling_params=SAMPLING_PARAMS),
    "a seed over 2^53": _seeded(2**53 + 1),
    "the largest seed": _seeded(2**63 - 1),
    "the smallest seed": _seeded(-(2**63)),
    "everything else": _request(
        stop_sequences=["", "\n", UNICODE],
        priority=pb.PRIORITY_BATCH,
        cache_salt=UNICODE,
        lora=UNICODE,
        truncate_prompt_tokens=0,
        include_stop_sequence=True,
        stop_token_ids=[0, 1],
        chat_template_kwargs_json="{}",  # as every language writes it
        reasoning_effort="hoch",
    ),
}

LOGPROB = pb.TokenLogprob(
    token_id=0,
    token=b"\xff\x00",
    logprob=-0.1,
    top=[pb.TopLogprob(token_id=2_147_483_647, token="☃".encode(), logprob=float("-inf"))],
)
_LAST: dict[str, Any] = {
    "finish_reason": pb.FINISH_REASON_TOOL_CALLS,
    "matched_stop": "",
    "matched_stop_token_id": 0,
    "usage": pb.Usage(prompt_tokens=2_147_483_647, completion_tokens=3, cached_prompt_tokens=2, reasoning_tokens=1),
}
RESPONSE = pb.RunResponse(
    id=UNICODE,
    served_model=MODEL,
    text=UNICODE,
    reasoning_content=UNICODE,
    tool_calls=[CALL],
    logprobs=[LOGPROB],
    prompt_logprobs=[pb.TokenLogprob(token_id=1), LOGPROB],
    **_LAST,
)
PARTS = [
    pb.RunStreamResponse(id="1", served_model=MODEL, text=UNICODE, prompt_logprobs=[LOGPROB]),
    pb.RunStreamResponse(id="1", served_model=MODEL, reasoning_content=UNICODE),
    pb.RunStreamResponse(id="1", served_model=MODEL),
    pb.RunStreamResponse(
        id="1",
        served_model=MODEL,
        logprobs=[LOGPROB],
        tool_calls=[pb.ToolCallDelta(index=1, id="call-1", name="weather", arguments_json='{"n": 4.0')],
    ),
    pb.RunStreamResponse(id="1", served_model=MODEL, **_LAST),
]


@dataclass
class Outcome:
    """What a program printed for one question."""

    status: status_pb2.Status
    response: pb.RunResponse | None = None
    parts: list[pb.RunStreamResponse] = field(default_factory=list)


class Program:
    """A client's program that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(
        self, request: pb.RunRequest, method: str = "Run", timeout_s: float = TIMEOUT_S, cancel_after: int = 0
    ) -> Outcome:
        """Asks a question, and reads what comes back."""
        assert self._process.stdin is not None
        text = json_format.MessageToJson(request, indent=None)
        self._process.stdin.write(f"{method} {timeout_s * 1000:.0f} {cancel_after} {text}\n".encode())
        outcome = Outcome(status_pb2.Status())
        while "status" not in (line := await self._line()):
            if "part" in line:
                outcome.parts.append(json_format.ParseDict(line["part"], pb.RunStreamResponse()))
            else:
                outcome.response = json_format.ParseDict(line["response"], pb.RunResponse())
        json_format.ParseDict(line["status"], outcome.status)
        return outcome

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the program ended"
        parsed: dict[str, Any] = json.loads(line)
        return parsed


@contextlib.asynccontextmanager
async def run_program(command: list[str], address: str, token: str = "", ca: str = "") -> AsyncIterator[Program]:
    """Runs a client's program until the test is done with it."""
    pipe = asyncio.subprocess.PIPE
    arguments = [*command, "--address", address, "--token", token, "--ca", ca]
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, limit=_LINE_BYTES)
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
