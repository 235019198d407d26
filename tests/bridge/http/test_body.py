"""How much a body may hold is told before any of it is made, and long ones are parsed beside the event loop."""

import asyncio
import gzip
import json
import threading
from typing import cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.config import CONFIG, Config
from bridge.errors import AiError
from bridge.http import body
from bridge.http.body import MAX_BODY_BYTES, MAX_DIGITS, MAX_VALUES, has_more_values, parse_json
from bridge.http.turns import LARGE, LARGE_BYTES, TURN, Turn
from bridge.workers_ai.batch_requests import MAX_BATCH_VALUES
from bridge.workers_ai.request import parse_run_body
from tests.support.fake_service import DEMO
from tests.support.json_bodies import JSON

ENTRIES = ["[]", "{}", '""', "1", "null", "[[[[1]]]]", '{"a":{"b":1}}', '"\\""', "[ ]"]
FIELDS = ["x", "stop", "tools", "logit_bias", "response_format", "options", "messages", "raw", "lora"]


def num_values(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(num_values, inner))


@given(value=JSON, indent=st.sampled_from([None, 2]), escaped=st.booleans())
def test_values_are_counted_exactly_without_parsing(value, indent, escaped):
    text = json.dumps(value, indent=indent, ensure_ascii=escaped).encode(errors="replace")
    count = num_values(value)
    assert not has_more_values(text, count)
    assert has_more_values(text, count - 1)


@given(text=st.text('",[{\\ a', max_size=40))
def test_what_is_no_json_is_counted_without_harm(text):
    assert has_more_values(text.encode(), 0) in (True, False)


@pytest.mark.parametrize("beginning", [b'"', b'["'])
def test_a_text_without_an_end_is_looked_through_once(beginning):
    assert not has_more_values(beginning + rb"\"," * 500_000, MAX_VALUES)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("field", FIELDS)
def test_a_body_of_too_many_values_is_refused_in_any_field(field, entry):
    entries = ",".join([entry] * (MAX_VALUES + 1))
    for inner in (f"[{entries}]", f'{{"a":[{entries}]}}'):
        with pytest.raises(AiError, match=f"the body has more than {MAX_VALUES} JSON values"):
            parse_run_body("m", f'{{"prompt":"hi","{field}":{inner}}}'.encode())


def test_as_many_values_as_may_be_are_read():
    text = json.dumps({"prompt": "hi", "x": [1] * (MAX_VALUES - 3)}).encode()
    parse_run_body("m", text)
    with pytest.raises(AiError, match="JSON values"):
        parse_run_body("m", text[:-2] + b",1]}")


def test_a_batch_may_have_more():
    requests = [{"prompt": "hi", "x": [1] * 30}] * 5_000
    parse_run_body("m", json.dumps({"requests": requests}).encode(), is_queued=True)
    with pytest.raises(AiError, match=f"more than {MAX_BATCH_VALUES} JSON values"):
        parse_run_body("m", json.dumps({"requests": requests * 3}).encode(), is_queued=True)


def test_commas_in_texts_are_no_values():
    parse_run_body("m", json.dumps({"prompt": '[{,\\"' * 200_000}).encode())


@pytest.mark.parametrize("digits", ["9", "-9", "0.", "1e"])
def test_integers_have_a_limit_of_digits(digits):
    literal = digits + "9" * MAX_DIGITS
    if digits == "0.":
        parse_json(literal.encode())
        return
    with pytest.raises(AiError, match="a number that is not finite or too long"):
        parse_json(literal.encode())


class Slow:
    """Parses a body when a test lets it."""

    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.num_parsed = 0

    def __call__(self, text):
        self.num_parsed += 1
        self.begun.set()
        self.may_end.wait(120)
        return text


class Content:
    """A body that has come."""

    def __init__(self, text):
        self._text = text

    async def readany(self):
        text, self._text = self._text, b""
        return text


class Request:
    """As much of a request as is read."""

    def __init__(self, text, headers):
        self.headers: CIMultiDict[str] = CIMultiDict(headers)
        self.content, self.content_length = Content(text), len(text)
        self._turn = Turn(asyncio.Lock())
        self.app = {CONFIG: Config()}

    def __getitem__(self, key):
        assert key is TURN
        return self._turn


async def read(text, parse, **headers):
    sent = await body.read_body(cast(web.Request, Request(text, headers)), 2 * MAX_BODY_BYTES)
    return await body.in_thread_if_long(len(sent), parse, sent)


def thread(_):
    return threading.current_thread().name.partition("_")[0]


@pytest.mark.parametrize(
    ("size", "where"),
    [(body.MAX_INLINE_BYTES, "MainThread"), (MAX_BODY_BYTES, "body"), (MAX_BODY_BYTES + 1, "large-body")],
)
async def test_the_size_of_a_body_decides_where_it_is_parsed_compressed_or_not(size, where):
    text = b"a" * size
    assert await read(text, thread) == where
    assert await read(gzip.compress(text), thread, **{"Content-Encoding": "gzip"}) == where


async def test_a_body_whose_client_left_while_others_were_parsed_is_not_parsed():
    slow, text = Slow(), b"a" * (MAX_BODY_BYTES + 1)
    first = asyncio.create_task(read(text, slow))
    await asyncio.to_thread(slow.begun.wait)
    second = asyncio.create_task(read(text, slow))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    slow.may_end.set()
    assert await first == text
    assert await read(text, len) == len(text)
    assert slow.num_parsed == 1


async def test_a_small_body_does_not_wait_behind_large_ones():
    slow, text = Slow(), b"a" * (MAX_BODY_BYTES + 1)
    large = [asyncio.create_task(read(text, slow)) for _ in range(3)]
    await asyncio.to_thread(slow.begun.wait)
    for size in (1, body.MAX_INLINE_BYTES + 1, MAX_BODY_BYTES):
        assert await read(b"a" * size, len) == size
    slow.may_end.set()
    await asyncio.gather(*large)


async def test_one_large_body_is_parsed_at_a_time(bridge):
    slow, text = Slow(), b"a" * (MAX_BODY_BYTES + 1)
    tasks = [asyncio.create_task(read(text, slow)) for _ in range(4)]
    await asyncio.to_thread(slow.begun.wait)
    assert (await bridge.ask("GET", "/healthz")).status == 200
    assert (await bridge.run({"prompt": "hi"}, model=DEMO)).status == 200
    assert slow.num_parsed == 1
    slow.may_end.set()
    await asyncio.gather(*tasks)


async def test_large_bodies_wait_for_their_turn_and_small_ones_do_not(bridge):
    large = bridge.runner.app[LARGE]
    body = {"prompt": "a" * LARGE_BYTES}
    async with large:
        waiting = asyncio.create_task(bridge.run(body))
        for _ in range(20):
            assert (await bridge.run({"prompt": "hi"})).status == 200
        assert not waiting.done()
    assert (await waiting).status == 200
    assert not large.locked()


async def test_a_large_body_does_not_wait_for_its_turn_beyond_the_deadline(start_bridge):
    bridge = await start_bridge(deadline_s=0.05)
    large = bridge.runner.app[LARGE]
    async with large:
        answer = await bridge.run({"prompt": "a" * LARGE_BYTES})
    assert answer.error == (408, 3046, "AiError: AiError: Request timeout")
    assert not large.locked()


@pytest.mark.parametrize("wrong", [{"max_tokens": "many"}, {"prompt": None}], ids=str)
async def test_a_large_body_that_is_refused_ends_its_turn(bridge, wrong):
    assert (await bridge.run({"prompt": "a", "x": "a" * MAX_BODY_BYTES} | wrong)).status == 413
    assert (await bridge.run({"prompt": "a", "x": "a" * LARGE_BYTES} | wrong)).status == 400
    assert not bridge.runner.app[LARGE].locked()
