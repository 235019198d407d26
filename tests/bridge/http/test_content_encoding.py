"""Compressed bodies: what is decoded, what is refused, and how each surface says so."""

import gzip
import json
import sys
import zlib
from contextlib import suppress

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AiError
from bridge.http.body import MAX_BODY_BYTES
from bridge.http.content_encoding import MAX_MEMBERS, decode
from tests.support.fake_service import DEMO
from tests.support.running_bridge import PROMPT

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BODY = json.dumps(PROMPT).encode()
CHAT = json.dumps({"model": DEMO, "messages": [{"role": "user", "content": "hi"}]}).encode()
ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}
WORKERD = {"cf-consn-model-id": DEMO}
UNSUPPORTED = "Content-Encoding must be one of gzip, deflate, br, zstd, or left out"

each_encoding = pytest.mark.parametrize("encoding", ENCODERS)


def refusal(body, encoding, max_bytes=1000):
    with pytest.raises(AiError) as refused:
        decode(body, encoding, max_bytes)
    return refused.value.reason, refused.value.description


@each_encoding
async def test_a_compressed_body_is_read(bridge, service, encoding):
    answer = await bridge.run(ENCODERS[encoding](BODY), headers={"Content-Encoding": encoding})
    assert answer.status == 200
    assert service.request.prompt.text == PROMPT["prompt"]


@each_encoding
async def test_a_body_that_is_large_only_once_it_is_decoded_is_refused(bridge, service, encoding):
    bomb = ENCODERS[encoding](b'{"prompt":"' + b" " * 100_000_000 + b'"}')
    answer = await bridge.run(bomb, headers={"Content-Encoding": encoding})
    assert answer.error[:2] == (413, 3006)
    assert not service.requests


@each_encoding
async def test_one_that_is_no_batch_keeps_to_the_limit_of_all_bodies(bridge, service, encoding):
    body = ENCODERS[encoding](b'{"prompt":"' + b"a" * MAX_BODY_BYTES + b'"}')
    assert (await bridge.run(body, headers={"Content-Encoding": encoding})).error[:2] == (413, 3006)
    chat = CHAT.replace(b"hi", b"a" * MAX_BODY_BYTES)
    headers = {"Content-Encoding": encoding}
    answer = await bridge.ask("POST", "/v1/chat/completions", data=ENCODERS[encoding](chat), headers=headers)
    assert answer.status == 413


@given(encoding=st.sampled_from(list(ENCODERS)), text=st.binary(min_size=1, max_size=200))
def test_whatever_is_cut_is_refused_and_what_is_whole_decoded(encoding, text):
    whole = ENCODERS[encoding](text)
    assert decode(whole, encoding, len(text)) == text
    for length in range(1, len(whole)):
        reason, words = refusal(whole[:length], encoding)
        assert reason == "INVALID_REQUEST"
        assert "encoding" in words


@given(encoding=st.sampled_from(list(ENCODERS)), garbage=st.binary(min_size=1, max_size=200))
def test_garbage_is_refused_and_raises_nothing_else(encoding, garbage):
    with suppress(AiError):
        decode(garbage, encoding, 1000)


def test_deflate_is_read_without_its_header_too():
    bare = zlib.compressobj(wbits=-15)
    assert decode(bare.compress(BODY) + bare.flush(), "deflate", 1000) == BODY


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_members_are_joined_up_to_a_number(encoding):
    member = ENCODERS[encoding](b"a")
    assert decode(member * MAX_MEMBERS, encoding, 1000) == b"a" * MAX_MEMBERS
    assert "members" in refusal(member * (MAX_MEMBERS + 1), encoding)[1]
    assert refusal(member * MAX_MEMBERS, encoding, MAX_MEMBERS - 1)[0] == "BODY_TOO_LARGE"


@pytest.mark.parametrize("encoding", ["foo", "gzip, gzip", "gzip, identity, br", "application/json", "compress", "*"])
@pytest.mark.parametrize("path", ["/client/v4/accounts/acc/ai/run/" + DEMO, "/v1/chat/completions", "/v1/completions"])
async def test_any_other_encoding_is_refused_as_each_surface_does(bridge, service, path, encoding):
    answer = await bridge.ask("POST", path, data=CHAT, headers={"Content-Encoding": encoding})
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "gzip, deflate, br, zstd")
    body = json.loads(answer.body)
    failure = body["error"] if path.startswith("/v1") else body["errors"][0]
    assert UNSUPPORTED in failure["message"]
    assert not service.requests


async def test_the_binding_refuses_them_flatly(bridge):
    headers = {**WORKERD, "Content-Encoding": "foo"}
    answer = await bridge.ask("POST", "/run", params={"version": "3"}, data=b"{}", headers=headers)
    assert answer.status == 415
    assert json.loads(answer.body)["description"] == f"Error: {UNSUPPORTED}"


async def test_the_binding_ignores_what_its_old_client_calls_an_encoding(bridge, service):
    headers = {**WORKERD, "Content-Encoding": "application/json"}
    body = json.dumps({"inputs": PROMPT, "options": {}}).encode()
    answer = await bridge.ask("POST", "/run", params={"version": "2"}, data=body, headers=headers)
    assert answer.status == 200
    assert service.request.prompt.text == PROMPT["prompt"]


@pytest.mark.parametrize("encoding", ["", "identity", "identity, identity", ",", "Identity"])
async def test_no_encoding_may_be_written_out(bridge, encoding):
    assert (await bridge.run(BODY, headers={"Content-Encoding": encoding})).status == 200


@pytest.mark.parametrize("encoding", ["x-gzip", "GZIP", "gzip, identity"])
async def test_one_encoding_has_several_spellings(bridge, encoding):
    assert (await bridge.run(gzip.compress(BODY), headers={"Content-Encoding": encoding})).status == 200
