"""JSON mode: the answer's `response` is the value itself, or the request fails with the code of JSON mode."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_bridge import PROMPT

JSON_MODE = {**PROMPT, "response_format": {"type": "json_object"}}


@pytest.mark.parametrize("text", ['{"city": "纽约", "area": 1.50}', "[1, 2.0, null]", '"text"', "4", " {}\n"])
async def test_the_response_is_the_value_and_not_its_text(bridge, service, text):
    service.answer.text = text
    answer = await bridge.run(JSON_MODE)
    assert answer.status == 200
    assert json.loads(answer.body)["result"]["response"] == json.loads(text)


async def test_numbers_stay_as_they_are_written(bridge, service):
    service.answer.text = '{"exact": 1.50,\n "large": 1E3}'
    assert b'"response":{"exact":1.50,"large":1E3},' in (await bridge.run(JSON_MODE)).body


async def test_without_json_mode_json_stays_text(bridge, service):
    service.answer.text = "{}"
    assert json.loads((await bridge.run(PROMPT)).body)["result"]["response"] == "{}"


async def test_an_answer_that_max_tokens_has_cut_is_none(bridge, service):
    service.answer.text = "12"  # of 123, perhaps
    service.answer.finish_reason = pb.FINISH_REASON_LENGTH
    message = "AiError: JSON Mode couldn't be met: '/max_tokens' has cut the answer at 3, ask for more"
    assert (await bridge.run(JSON_MODE)).error == (400, 5024, message)


@pytest.mark.parametrize("stopped", [{"matched_stop": "0"}, {"matched_stop_token_id": 0}])
async def test_an_answer_that_a_stop_has_cut_is_none_though_it_be_json(bridge, service, stopped):
    service.answer.MergeFrom(pb.RunResponse(**stopped))
    service.answer.text = "1"  # of 100, perhaps
    message = "a stop sequence or token has cut the answer, leave '/stop' and '/stop_token_ids' out"
    assert (await bridge.run(JSON_MODE)).error == (400, 5024, f"AiError: JSON Mode couldn't be met: {message}")


@pytest.mark.parametrize("text", ['{"a": ', "", "1e999", "[NaN]", "[" * 100_000, "1" * 10_000])
async def test_an_answer_that_is_no_json_is_none(bridge, service, text):
    service.answer.text = text
    status, code, message = (await bridge.run(JSON_MODE)).error
    assert (status, code) == (400, 5024)
    assert message.startswith("AiError: JSON Mode couldn't be met: the answer is n")


async def test_json_mode_has_no_streams_as_at_cloudflare(bridge, service):
    message = "AiError: AiError: JSON Schema mode is not supported with stream mode"
    assert (await bridge.run({**JSON_MODE, "stream": True})).error == (400, 5023, message)
    assert service.requests == []
