"""Bodies that are wrong, each in one way, made by code."""

import copy
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Malformed:
    """A request that must be refused.

    Attributes:
        name: What is wrong with it.
        body: What is sent.
        headers: Headers to send it with.
        place: What the refusal must name; nothing in particular if empty.
    """

    name: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    place: str = ""


KINDS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 4,
    "number": 1.5,
    "string": "?",
    "array": [[]],
    "object": {"?": 1},
}

CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
FLAT_CALL = {"id": "1", "name": "add", "arguments": {}}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL, FLAT_CALL]},
    {"role": "tool", "content": "4", "tool_call_id": "1", "name": "add"},
]
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
FLAT_TOOL = {"name": "subtract", "description": "Subtracts.", "parameters": {"type": "object"}}
SAMPLING: dict[str, Any] = {
    **dict.fromkeys(("max_tokens", "temperature", "top_p", "top_k", "seed", "repetition_penalty"), 1),
    **dict.fromkeys(("min_p", "min_tokens", "frequency_penalty", "presence_penalty"), 0),
    **dict.fromkeys(("ignore_eos", "stream"), False),
    "logit_bias": {"5": 1},
    "stop": ["a"],
}
SHARED = {**SAMPLING, "messages": CONVERSATION, "tools": [TOOL, FLAT_TOOL], "tool_choice": "auto"}

NUMBERS = ("temperature", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty")
COUNTS = ("max_tokens", "top_k", "seed", "min_tokens")

# By path, the kinds of values that are right there; all others are wrong.
SHARED_KINDS: dict[str, tuple[str, ...]] = {
    **{f"/{name}": ("null", "integer", "number") for name in NUMBERS},
    **{f"/{name}": ("null", "integer") for name in COUNTS},
    "/ignore_eos": ("null", "boolean"),
    "/stream": ("null", "boolean"),
    "/logit_bias": ("null",),
    "/logit_bias/5": ("integer", "number"),
    "/stop": ("null", "string"),
    "/stop/0": ("string",),
    "/messages": (),
    "/messages/0": (),
    "/messages/0/role": ("string",),
    "/messages/0/content": ("null", "string"),
    "/messages/0/content/0": (),
    "/messages/0/content/0/type": ("string",),
    "/messages/0/content/0/text": ("string",),
    "/messages/1/tool_calls": ("null",),
    "/messages/1/tool_calls/0": (),
    "/messages/1/tool_calls/0/id": ("null", "string"),
    "/messages/1/tool_calls/0/function": (),
    "/messages/1/tool_calls/0/function/name": ("string",),
    "/messages/1/tool_calls/1/name": ("string",),
    "/messages/2/tool_call_id": ("null", "string"),
    "/messages/2/name": ("null", "string"),
    "/tools": ("null",),
    "/tools/0": (),
    "/tools/0/type": (),
    "/tools/0/function": (),
    "/tools/0/function/name": (),
    "/tools/0/function/description": ("null", "string"),
    "/tools/0/function/parameters": ("null", "object"),
    "/tools/1/name": (),
    "/tools/1/parameters": ("null", "object"),
    "/tool_choice": ("null",),
}


def of_wrong_types(body: dict[str, Any], right: Mapping[str, tuple[str, ...]]) -> Iterator[Malformed]:
    """The body with each value in turn replaced by those of all the wrong types."""
    for path, kinds in right.items():
        for kind in sorted(KINDS.keys() - set(kinds)):
            wrong = copy.deepcopy(body)
            *steps, last = (int(step) if step.isdigit() and step != "5" else step for step in path[1:].split("/"))
            inner: Any = wrong
            for step in steps:
                inner = inner[step]
            inner[last] = KINDS[kind]
            # A null at the top stands for a field that is not there.
            place = path if kind != "null" or steps else ""
            yield Malformed(f"{path} {kind}", json.dumps(wrong).encode(), place=place)


def of_wrong_numbers(body: dict[str, Any]) -> Iterator[Malformed]:
    """The body with numbers that no JSON has, or that no field takes."""
    for name in ("temperature", "seed", "max_tokens", "top_p"):
        for literal in (
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-1e999",
            "1" * 5000,
            "0x10",
            "01",
            "+1",
            ".5",
            "1.",
            "1_0",
        ):
            yield Malformed(f"{name} {literal[:9]}", with_text(body, name, literal))
    # OpenAI's routes, where the model stands in the body, take any integer for these.
    counts = () if "model" in body else ("top_k", "seed")
    for name in (*NUMBERS, *counts):
        for literal in ("-1e300", "1e300", "1" + "0" * 300, "-" + "9" * 30):
            yield Malformed(f"{name} {literal[:9]}", with_text(body, name, literal), place=f"/{name}")


def of_wrong_bytes(body: dict[str, Any]) -> Iterator[Malformed]:
    """The body cut, garbled, and in encodings that JSON is not sent in."""
    whole = json.dumps({**body, "messages": [{"role": "user", "content": "où?"}]}, ensure_ascii=False)
    sent = whole.encode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "latin-1", "cp037"):
        yield Malformed(encoding, whole.encode(encoding), {"Content-Type": f"application/json; charset={encoding}"})
    for mark in (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf", b"\x00", b"\x0b", b"\xc2\xa0"):
        yield Malformed(f"begins with {mark!r}", mark + sent)
    for length in (1, 2, 5, len(sent) // 2, len(sent) - 1):
        yield Malformed(f"cut at {length}", sent[:length])
    for bad in (
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc3",
        b"\x00",
        b"\n",
        b"\x1f",
        b"\\x",
        b"\\u12",
    ):
        yield Malformed(f"{bad!r} in a string", b'{"model":"m","messages":[{"role":"user","content":"' + bad + b'"}]}')
    for text in (
        "",
        " ",
        "null",
        "true",
        "4",
        '"hi"',
        "[]",
        "{}",
        "{",
        "}",
        "[1,]",
        '{"a":1,}',
        "{'a':1}",
        "{a:1}",
        "// hi",
    ):
        yield Malformed(f"only {text}", text.encode())
    for text in (
        '{"prompt":"a"} x',
        '{"prompt":"a"}{}',
        '{"prompt" "a"}',
        '{"prompt":undefined}',
        "prompt=hi&raw=1",
        "<a/>",
    ):
        yield Malformed(f"only {text}", text.encode())


def of_surrogates(body: dict[str, Any]) -> Iterator[Malformed]:
    """The body with half of a character in each text."""
    for half in ("\\ud800", "\\udc00", "\\udfff\\ud800"):
        content = json.dumps(body).replace('"hi"', f'"{half}"')
        yield Malformed(f"{half} in a content", content.encode())
        yield Malformed(
            f"{half} in arguments",
            json.dumps(body).replace('"arguments": {}', f'"arguments": {{"a": "{half}"}}').encode(),
        )
        yield Malformed(f"{half} in a description", json.dumps(body).replace("Subtracts.", half).encode())
        yield Malformed(f"{half} in a stop", with_text(body, "stop", f'"{half}"'))
        yield Malformed(
            f"{half} in parameters", json.dumps(body).replace('{"type": "object"}', f'{{"title": "{half}"}}').encode()
        )


# Fields, and values of theirs in which something can be nested.
DEEP: Final = {
    "stop": "INNER",
    "tools": '[{"name": "t", "parameters": {"a": INNER}}]',
    "response_format": '{"type": "json_schema", "json_schema": {"const": INNER}}',
    "messages": '[{"role": "user", "content": INNER}]',
}


def of_sizes(body: dict[str, Any]) -> Iterator[Malformed]:
    """The body with too much of something: depth, entries, characters."""
    plain: dict[str, Any] = {name: body[name] for name in ("model", "messages") if name in body}
    for depth in (500, 5_000, 100_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            inner = opening * depth + "1" + closing * depth
            yield Malformed(f"{opening} {depth} deep alone", inner.encode())
            yield Malformed(f"{opening} {depth} deep, open", (opening * depth).encode())
            for name, literal in DEEP.items():
                deep = literal.replace("INNER", inner)
                yield Malformed(f"{opening} {depth} deep in {literal}", with_text(plain, name, deep))
    yield Malformed("9 stops", with_text(body, "stop", json.dumps(["a"] * 9)), place="/stop")
    yield Malformed("a long stop", with_text(body, "stop", json.dumps("a" * 257)), place="/stop")
    yield Malformed(
        "129 tools", with_text(body, "tools", json.dumps([{"name": f"t{n}"} for n in range(129)])), place="/tools"
    )
    yield Malformed(
        "a long tool name", with_text(body, "tools", json.dumps([{"name": "t" * 257}])), place="/tools/0/name"
    )
    yield Malformed(
        "1,025 biases", with_text(body, "logit_bias", json.dumps(dict.fromkeys(range(1025), 1))), place="/logit_bias"
    )
    yield Malformed("100,000 wrong messages", with_text(body, "messages", json.dumps([1] * 100_000)))
    yield Malformed("3 MiB", with_text(body, "messages", json.dumps([{"role": "user", "content": "x" * 3_145_728}])))


def of_compressions(body: dict[str, Any]) -> Iterator[Malformed]:
    """The body under encodings that it does not have, or that are cut or grow too large."""
    sent = json.dumps(body).encode()
    large = json.dumps({**body, "messages": [{"role": "user", "content": "x" * 9_000_000}]}).encode()
    for coding in ("gzip", "deflate"):
        yield Malformed(f"no {coding}", sent, {"Content-Encoding": coding})
        yield Malformed(f"{coding} of garbage", b"\x1f\x8b\x08\x00garbage", {"Content-Encoding": coding})
    yield Malformed("cut gzip", gzip.compress(sent)[:-12], {"Content-Encoding": "gzip"})
    yield Malformed("deflate without saying so", zlib.compress(sent))
    yield Malformed("a gzip that grows", gzip.compress(large), {"Content-Encoding": "gzip"})
    yield Malformed("gzip without saying so", gzip.compress(sent))


def with_text(body: dict[str, Any], name: str, literal: str) -> bytes:
    """The body with a field of which the JSON is given, whatever it is."""
    rest = json.dumps({key: value for key, value in body.items() if key != name})
    return f'{rest[:-1]}, "{name}": {literal}}}'.encode()


MAKERS: Final = (of_wrong_numbers, of_wrong_bytes, of_surrogates, of_sizes, of_compressions)


def malformed(body: dict[str, Any], right: Mapping[str, tuple[str, ...]]) -> dict[str, list[Malformed]]:
    """All of them by what is wrong, for a body that is right and the kinds of values that may stand in it."""
    by_kind = {make.__name__: list(make(body)) for make in MAKERS}
    return {"of_wrong_types": list(of_wrong_types(body, right)), **by_kind}
