"""The models that can be asked."""

import json

import pytest
from runstream.v1 import models_pb2
from yarl import URL

from tests.support.openai_asking import BASES, V1, error_of

LLAMA = "@cf/meta/llama-3.1-8b-instruct"
ENTRY = {"id": LLAMA, "object": "model", "created": 0, "owned_by": "cf", "max_model_len": 7968, "parent": None}


@pytest.fixture(autouse=True)
def _llama(service):
    service.model = models_pb2.Model(id=LLAMA, context_window=7968)


@pytest.mark.parametrize("base", BASES)
async def test_the_catalogs_models_are_listed(bridge, base):
    answer = await bridge.ask("GET", f"{base}/models")
    assert json.loads(answer.body) == {"object": "list", "data": [ENTRY]}


async def test_an_adapter_has_a_parent(bridge, service):
    service.other_models = [models_pb2.Model(id="mine", context_window=7968, parent=LLAMA)]
    answer = await bridge.ask("GET", f"{V1}/models")
    assert json.loads(answer.body)["data"][1] == ENTRY | {"id": "mine", "parent": LLAMA}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", [LLAMA, LLAMA.replace("/", "%2F"), LLAMA.replace("@", "%40")])
async def test_a_models_name_may_be_percent_encoded(bridge, base, name):
    async with bridge.http.get(URL(f"{bridge.url}{base}/models/{name}", encoded=True)) as response:
        assert await response.json() == ENTRY


async def test_a_model_whose_weights_are_missing_is_neither_listed_nor_there(bridge, service):
    service.model.state = models_pb2.MODEL_STATE_WEIGHTS_MISSING
    service.model.state_detail = "fetch them"
    assert json.loads((await bridge.ask("GET", f"{V1}/models")).body)["data"] == []
    status, error = error_of(await bridge.ask("GET", f"{V1}/models/{LLAMA}"))
    assert (status, error["code"], error["message"]) == (404, "model_not_found", "fetch them")
