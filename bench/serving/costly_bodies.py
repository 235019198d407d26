"""Bodies that cost a server much if it lets them: near the largest that are read, or just within every limit."""

import json
from collections.abc import Iterator
from typing import Any

BODY_BYTES = 2 * 1024 * 1024 - 64
BATCH_BYTES = 10 * 1024 * 1024 - 64

# What lists are filled with, without end.
ENTRIES = ("[]", "{}", '""', "1", '{"a":[]}', "[[[[[[1]]]]]]", "9" * 399)
FIELDS = ("x", "stop", "tools", "messages", "logit_bias", "response_format", "options")


def long_prompt(num_bytes: int = BODY_BYTES) -> bytes:
    """A body with one text of English words."""
    text = "Tell me a story about a dragon. " * (num_bytes // 32)
    return json.dumps({"prompt": text[: num_bytes - 32]}).encode()


def overfull(num_bytes: int = BODY_BYTES) -> Iterator[tuple[str, bytes]]:
    """Bodies with many more entries than any list may have, each with its name."""
    for field in FIELDS:
        for entry in ENTRIES if field == "x" else ENTRIES[:1]:
            yield f"{field}: {entry[:20]}", _body(f'"{field}":', "[", entry, "]", num_bytes)
    yield "names", _body('"x":', "{", '"a":1', "}", num_bytes)
    yield "biases", ('{"prompt":"hi","logit_bias":' + json.dumps({str(n): 1 for n in range(130_000)}) + "}").encode()
    yield "messages of objects", _body('"messages":', "[", '{"role":"user","content":"a"}', "]", num_bytes)
    yield (
        "calls",
        _body('"messages":', '[{"role":"assistant","tool_calls":[', '{"name":"a","arguments":{}}', "]}]", num_bytes),
    )
    yield "tools of objects", _body('"tools":', "[", '{"name":"a","parameters":{}}', "]", num_bytes)
    yield "texts to stop at", _body('"stop":', "[", '"a"', "]", num_bytes)
    yield "a schema", _body('"response_format":', '{"type":"json_schema","json_schema":{"a":[', "[]", "]}}", num_bytes)
    yield "nested", ('{"prompt":"hi","x":' + "[" * (num_bytes - 32)).encode()
    yield "a number", ('{"prompt":"hi","temperature":0.' + "1" * (num_bytes - 64) + "}").encode()
    yield "escapes", _body('"x":"', "", "\\u0041", '"', num_bytes, comma="")


def within_limits() -> Iterator[tuple[str, bytes]]:
    """Bodies with as much as each limit allows."""
    part = {"type": "text", "text": "a"}
    call = {"name": "a", "arguments": {}}
    yield "most messages", _json(messages=[{"role": "user", "content": [part] * 4}] * 4096)
    yield "most parts", _json(messages=[{"role": "user", "content": [part] * 1024}] * 16)
    yield "most calls", _json(messages=[{"role": "assistant", "tool_calls": [call] * 128}] * 64)
    yield "wrong calls", _json(messages=[{"role": "assistant", "tool_calls": [{"name": 1}] * 128}] * 128)
    yield (
        "most tools",
        _json(prompt="hi", tools=[{"name": f"t{n}", "parameters": {"enum": list(range(400))}} for n in range(128)]),
    )
    yield "most biases", _json(prompt="hi", logit_bias={str(number): 1 for number in range(1024)})


def batches() -> Iterator[tuple[str, bytes]]:
    """Bodies of batches, to be sent with `queueRequest`."""
    yield "batch: []", _body('"requests":', "[", "[]", "]", BATCH_BYTES)
    yield 'batch: ""', _body('"requests":', "[", '""', "]", BATCH_BYTES)
    yield "batch: wrong at the end", _json(requests=[{"prompt": "a" * 900, "stop": ["a"] * 8}] * 9_999 + [{}])
    wrong = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 8}]}
    yield "batch: of parts, wrong at the end", _json(requests=[wrong] * 9_999 + [{}])


def _json(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _body(name: str, opening: str, entry: str, closing: str, num_bytes: int, comma: str = ",") -> bytes:
    beginning = ("" if name.startswith('"messages"') else '"prompt":"hi",') + name + opening
    room = num_bytes - len(beginning) - len(closing) - 2
    return ("{" + beginning + comma.join([entry] * (room // (len(entry) + len(comma)))) + closing + "}").encode()
