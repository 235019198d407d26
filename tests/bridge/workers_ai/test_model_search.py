"""What the catalog's routes tell of models."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from runstream.v1 import models_pb2

from accounts.tokens import Token, hash_token
from tests.support.fake_service import DEMO

SEARCH = "/client/v4/accounts/acc/ai/models/search"
SCHEMA = "/client/v4/accounts/acc/ai/models/schema"
LLAMA = "@cf/meta/llama-3.1-8b-instruct"
CODE = "@hf/thebloke/codellama-7b-instruct-awq"


@pytest.fixture
def catalog(service):
    """The fake service with three models."""
    service.model.description = "A toy."
    service.model.license = "Apache-2.0"
    service.model.context_window = 1024
    address = "https://www.llama.com/llama3_1/license/"
    llama: dict[str, Any] = {"id": LLAMA, "description": "Llama 3.1", "license": address, "context_window": 7968}
    service.other_models = [
        models_pb2.Model(**llama, can_call_tools=True, max_completion_tokens=7000),
        models_pb2.Model(id=CODE, description="Code Llama"),
    ]
    return service


async def search(bridge, **query):
    answer = await bridge.ask("GET", SEARCH, params=query)
    assert answer.status == 200
    return json.loads(answer.body)


async def names(bridge, **query):
    return [row["name"] for row in (await search(bridge, **query))["result"]]


@pytest.mark.parametrize("models_per_page", [1, 2, 3])
async def test_models_of_all_pages_are_found(bridge, catalog, models_per_page):
    catalog.models_per_page = models_per_page
    assert await names(bridge) == [DEMO, LLAMA, CODE]


async def test_a_row_is_cloudflares(bridge, catalog):
    row = (await search(bridge, search="llama-3.1"))["result"][0]
    assert list(row) == ["id", "source", "name", "description", "task", "created_at", "tags", "properties"]
    assert (row["id"], row["name"], row["source"]) == ("41975cc2-c82e-4e98-b7b8-88ffb186a545", LLAMA, 1)
    assert (row["task"]["name"], row["tags"]) == ("Text Generation", [])
    assert row["properties"] == [
        {"property_id": "context_window", "value": "7968"},
        {"property_id": "function_calling", "value": "true"},
        {"property_id": "terms", "value": "https://www.llama.com/llama3_1/license/"},
    ]


async def test_a_model_of_ones_own_has_an_id_that_stays(bridge, catalog):
    row, again = [(await search(bridge, search="demo"))["result"][0] for _ in range(2)]
    assert row == again
    assert row["id"] == "40064e60-352f-5bec-b13d-cf8c2b277ae2"
    assert row["properties"][1:] == [{"property_id": "info", "value": "Apache-2.0"}]


async def test_a_client_that_asks_for_pages_until_one_is_empty_comes_to_an_end(bridge, catalog):
    pages = [await search(bridge, page=page, per_page=2) for page in (1, 2, 3, 4)]
    assert [[row["name"] for row in page["result"]] for page in pages] == [[DEMO, LLAMA], [CODE], [], []]
    infos = [page["result_info"] for page in pages]
    assert infos[1] == {"count": 1, "page": 2, "per_page": 2, "total_count": 3}
    assert infos[3] == {"count": 0, "page": 4, "per_page": 2, "total_count": 3}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [DEMO, LLAMA, CODE]),
        ({"search": "LLAMA"}, [LLAMA, CODE]),
        ({"search": "Text Generation"}, [DEMO, LLAMA, CODE]),
        ({"search": "whisper"}, []),
        ({"task": "text generation"}, [DEMO, LLAMA, CODE]),
        ({"task": "Translation"}, []),
        ({"author": "meta"}, [LLAMA]),
        ({"author": "runstream"}, [DEMO]),
        ({"source": "2"}, [CODE]),
        ({"source": "3"}, []),
        ({"hide_experimental": "true", "include_deprecated": "false"}, [DEMO, LLAMA, CODE]),
        ({"search": "", "task": "", "author": "", "source": "", "format": ""}, [DEMO, LLAMA, CODE]),
    ],
)
async def test_filters_find_what_they_say(bridge, catalog, query, found):
    assert await names(bridge, **query) == found


async def test_models_that_cant_be_run_are_not_listed(bridge, catalog):
    catalog.other_models[0].state = models_pb2.MODEL_STATE_WEIGHTS_MISSING
    assert await names(bridge) == [DEMO, CODE]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"page": "0"}, "'/page' must be >= 1"),
        ({"page": "-1"}, "Type mismatch of '/page', 'string' not in 'integer'"),
        ({"page": "two"}, "Type mismatch of '/page', 'string' not in 'integer'"),
        ({"page": "²"}, "Type mismatch of '/page', 'string' not in 'integer'"),
        ({"page": "9" * 5000}, "'/page' must be <= 1000000000"),
        ({"per_page": "1001"}, "'/per_page' must be <= 1000"),
        ({"source": "x"}, "Type mismatch of '/source', 'string' not in 'integer'"),
        ({"format": "csv"}, "'/format' must be one of openrouter"),
        ({"hide_experimental": "maybe"}, "'/hide_experimental' must be one of true, false"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(bridge, query, words):
    answer = await bridge.ask("GET", SEARCH, params=query)
    assert answer.error == (400, 5006, f"AiError: Bad input: Error: {words}")


@pytest.mark.parametrize(
    ("query", "per_page"), [({}, 100), ({"per_page": "0" * 20 + "7"}, 7), ({"per_page": "1000"}, 1000)]
)
async def test_a_page_has_a_hundred_rows_unless_another_number_is_asked_for(bridge, query, per_page):
    assert (await search(bridge, **query))["result_info"]["per_page"] == per_page


async def test_openrouters_format_has_its_own_rows(bridge, catalog):
    answer = await search(bridge, format="openrouter", search="llama-3.1")
    assert answer["result_info"]["total_count"] == 1
    (row,) = answer["data"]
    assert (row["id"], row["context_length"], row["max_output_length"]) == (LLAMA, 7968, 7000)
    assert row["supported_features"] == ["structured_outputs", "json_mode", "tools"]
    assert row["pricing"] == {"prompt": "0", "completion": "0"}
    assert {"max_tokens", "stop", "seed"} < set(row["supported_sampling_parameters"])


async def test_a_models_schema_has_its_own_defaults_and_limits(bridge, service):
    service.model.default_max_tokens, service.model.max_completion_tokens = 300, 1000
    answer = await bridge.ask("GET", SCHEMA, params={"model": DEMO})
    result = json.loads(answer.body)["result"]
    assert list(result) == ["input", "output"]
    for branch in result["input"]["oneOf"]:
        max_tokens = branch["properties"]["max_tokens"]
        assert (max_tokens["default"], max_tokens["maximum"]) == (300, 1000)
        assert "1800" in max_tokens["description"]


async def test_a_models_schema_is_one_that_its_answers_fit(bridge):
    schema = json.loads((await bridge.ask("GET", SCHEMA, params={"model": DEMO})).body)["result"]
    Draft202012Validator.check_schema(schema["input"])
    Draft202012Validator(schema["input"]).validate({"prompt": "hi", "top_k": 50})
    assert not Draft202012Validator(schema["input"]).is_valid({"prompt": "hi", "top_k": 51})
    answer = json.loads((await bridge.run({"prompt": "hi"})).body)["result"]
    Draft202012Validator(schema["output"]).validate(answer)


async def test_a_schema_of_no_model_is_refused(bridge):
    message = "AiError: Bad input: Error: required properties at '/' are 'model'"
    assert (await bridge.ask("GET", SCHEMA)).error == (400, 5006, message)


async def test_there_is_one_task(bridge):
    answer = await bridge.ask("GET", "/client/v4/accounts/acc/ai/tasks/search")
    (task,) = json.loads(answer.body)["result"]
    assert task["name"] == "Text Generation"


@pytest.mark.parametrize("path", ["/client/v4/user/tokens/verify", "/client/v4/accounts/acc/tokens/verify"])
async def test_a_good_token_is_told_so(start_bridge, path):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("right"), "laptop"),))
    answer = await bridge.ask("GET", path, headers={"Authorization": "Bearer right"})
    assert answer.body == (
        b'{"result":{"id":"' + hash_token("right")[:32].encode() + b'","status":"active"},"success":true,"errors":[],'
        b'"messages":[{"code":10000,"message":"This API Token is valid and active","type":null}]}'
    )


@pytest.mark.parametrize("path", [SEARCH, SCHEMA, "/client/v4/user/tokens/verify"])
async def test_a_wrong_token_is_told_nothing(start_bridge, path):
    bridge = await start_bridge(tokens=(Token("acc", hash_token("right"), "laptop"),))
    answer = await bridge.ask("GET", path, headers={"Authorization": "Bearer wrong"})
    assert answer.error == (401, 10000, "Authentication error")
    assert (await bridge.ask("GET", path)).error == (400, 10001, "Unable to authenticate request")
