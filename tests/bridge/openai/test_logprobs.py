"""Log probabilities of a chat completion."""

import json
import math

from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.logprobs import chat_logprobs
from tests.support.fake_service import last_part, part
from tests.support.openai_asking import chat, read_chunks

TOKEN = pb.TokenLogprob(token=b"New", logprob=-0.5, top=[pb.TopLogprob(token=b"Old", logprob=-1.5)])
NEW = {
    "token": "New",
    "logprob": -0.5,
    "bytes": [78, 101, 119],
    "top_logprobs": [{"token": "Old", "logprob": -1.5, "bytes": [79, 108, 100]}],
}


async def test_a_whole_answer_has_them_for_each_token(bridge, service):
    service.answer.logprobs.append(TOKEN)
    (choice,) = json.loads((await chat(bridge, logprobs=True, top_logprobs=1)).body)["choices"]
    assert choice["logprobs"] == {"content": [NEW], "refusal": None}


async def test_a_streams_chunks_have_those_of_their_part(bridge, service):
    service.parts = [part("New", logprobs=[TOKEN]), last_part(logprobs=[TOKEN])]
    chunks = read_chunks((await chat(bridge, logprobs=True, stream=True)).body)
    assert [chunk["choices"][0]["logprobs"]["content"] for chunk in chunks] == [[NEW], [NEW]]


def test_bytes_that_are_no_whole_character_are_exact_beside_a_replacement():
    (entry,) = chat_logprobs([pb.TokenLogprob(token=b"a\xe5")])["content"]
    assert (entry["token"], entry["bytes"]) == ("a\ufffd", [0x61, 0xE5])


def test_what_can_not_be_is_a_number_all_the_same():
    (entry,) = chat_logprobs([pb.TokenLogprob(token=b"a", logprob=-math.inf)])["content"]
    assert entry["logprob"] == -9999.0
