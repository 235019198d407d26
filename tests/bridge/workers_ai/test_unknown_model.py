"""That there is no such model is told before what is wrong with its input, which may be right for another task."""

import grpc
import pytest

from tests.support.fake_service import DEMO, failure
from tests.support.openai_asking import IN_ACCOUNT, V1, error_of
from tests.support.running_bridge import PROMPT

UNKNOWN = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
AWAY = failure(grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", "stopping")
BODIES = [{"text": ["hi"]}, {"prompt": 5}, {"prompt": "hi", "lora": 5}, b"[", {"requests": []}, {"image": [1]}]
NO_MODEL = "AiError: No such model: No such model @cf/baai/bge-m3 or task"
BGE = "@cf/baai/bge-m3"


@pytest.mark.parametrize("body", BODIES)
async def test_an_unknown_model_is_5007_whatever_the_body(bridge, service, body):
    service.model_status = UNKNOWN
    assert (await bridge.run(body, model=BGE)).error == (400, 5007, NO_MODEL)


@pytest.mark.parametrize("body", BODIES)
async def test_a_known_models_body_is_what_is_wrong(bridge, body):
    assert (await bridge.run(body)).error[1] == 5006


async def test_a_wrong_body_is_told_also_if_nobody_can_say_whether_there_is_the_model(bridge, service):
    service.model_status = AWAY
    assert (await bridge.run({"text": ["hi"]})).error[:2] == (400, 5006)


@pytest.mark.parametrize("body", [b"", b" "])
async def test_no_body_is_3003_for_any_model(bridge, service, body):
    service.model_status = UNKNOWN
    assert (await bridge.run(body, model=BGE)).error[1] == 3003


async def test_the_shape_of_a_model_is_looked_up_once(bridge, service):
    for _ in range(3):
        assert (await bridge.run(PROMPT)).status == 200
    assert service.model_questions == 1


async def test_a_model_of_which_nobody_can_tell_the_shape_is_not_run(bridge, service):
    service.model_status = AWAY
    assert (await bridge.run(PROMPT)).error[:2] == (503, 3040)
    assert service.requests == []


async def test_the_binding_looks_the_model_up_too(bridge, service):
    service.model_status = UNKNOWN
    headers = {"cf-consn-model-id": BGE}
    answer = await bridge.ask("POST", "/run?version=3", json={"inputs": {"text": ["hi"]}}, headers=headers)
    assert b'"internalCode":5007' in answer.body


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
@pytest.mark.parametrize("body", [{"text": ["hi"]}, {"prompt": 5, "messages": 5}])
async def test_openais_routes_look_the_model_up_too(bridge, service, path, body):
    service.model_status = UNKNOWN
    status, error = error_of(await bridge.ask("POST", f"{V1}/{path}", json={"model": BGE, **body}))
    assert (status, error["code"]) == (404, "model_not_found")
    answer = await bridge.ask("POST", f"{IN_ACCOUNT}/{path}", json={"model": BGE, **body})
    assert answer.error == (400, 5007, NO_MODEL)


@pytest.mark.parametrize("body", [{"input": "hi"}, {"model": 5}, {"model": ""}, []])
async def test_without_a_models_name_the_body_is_wrong(bridge, service, body):
    service.model_status = UNKNOWN
    assert (await bridge.ask("POST", f"{V1}/chat/completions", json=body)).status == 400


async def test_a_refused_request_is_logged_with_its_model(bridge, caplog):
    caplog.set_level("INFO", logger="bridge.http.access_log")
    await bridge.ask("POST", f"{V1}/chat/completions", json={"model": DEMO})
    assert f"model='{DEMO}'" in caplog.messages[-1]


async def test_a_long_name_is_not_told_whole(bridge, service):
    service.status = failure(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    (_, _, message) = (await bridge.run(PROMPT, model="m" * 5_000)).error
    assert message == f"AiError: No such model: No such model {'m' * 200}… and 4800 characters more or task"
