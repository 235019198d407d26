"""JSON mode through the whole chain: what REST answers is the value that gRPC writes."""

import json

import pytest
from jsonschema import Draft202012Validator
from runstream.v1 import text_generation_pb2 as pb

from tests.support.whole_chain import to_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 4},
        "sizes": {"type": "array", "items": {"enum": [1, 2.5, None]}, "maxItems": 2},
    },
    "required": ["name", "sizes"],
    "additionalProperties": False,
}
ASK = {"prompt": "Where is New York?", "max_tokens": 900, "temperature": 1, "seed": 1}


def json_mode(schema: object) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_response_is_an_object_that_fits_the_schema(chain, seed):
    body = {**ASK, "seed": seed}
    answer = await chain.ask(**body, **json_mode(SCHEMA))
    response = json.loads(answer.body)["result"]["response"]
    Draft202012Validator(SCHEMA).validate(response)
    request = to_request(body)
    request.response_format.json_schema = json.dumps(SCHEMA)
    whole = await chain.service.text_generation.Run(request)
    assert json.loads(whole.text) == response
    assert whole.finish_reason == pb.FINISH_REASON_STOP


async def test_json_that_max_tokens_cuts_is_an_error(chain):
    answer = await chain.ask(**{**ASK, "max_tokens": 1}, response_format={"type": "json_object"})
    message = "AiError: JSON Mode couldn't be met: '/max_tokens' has cut the answer at 1, ask for more"
    assert answer.error == (400, 5024, message)


async def test_a_schema_that_can_not_be_met_is_an_error(chain):
    answer = await chain.ask(**ASK, **json_mode({"minimum": 5, "maximum": 3, "type": "integer"}))
    message = "AiError: JSON Mode couldn't be met: '/response_format' can't be met: "
    assert answer.error == (400, 5024, f"{message}Unsatisfiable schema: minimum (5) is greater than maximum (3)")


async def test_an_answer_that_breaks_what_is_checked_at_the_end_is_an_error(chain):
    answer = await chain.ask(**ASK, **json_mode({"const": [1, 1], "uniqueItems": True}))
    message = (
        "AiError: JSON Mode couldn't be met: '/response_format' can't be met: the answer breaks 'uniqueItems' at '/'"
    )
    assert answer.error == (400, 5024, message)


async def test_a_client_that_leaves_while_its_grammar_is_compiled_leaves_nothing(chain):
    schema = {"anyOf": [{"type": "integer", "multipleOf": prime} for prime in (997, 991, 983, 977, 971, 967)]}
    request = to_request(ASK)
    request.response_format.json_schema = json.dumps(schema)
    call = chain.service.text_generation.RunStream(request)
    await chain.until(lambda: chain.engine.num_running == 1)
    call.cancel()
    assert (await chain.ask(**{**ASK, "max_tokens": 1})).status == 200
