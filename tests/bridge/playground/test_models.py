"""What the playground is told of the models."""

import json

from runstream.v1 import models_pb2

from accounts.tokens import Token, hash_token
from tests.support.fake_service import DEMO

SECRET = (Token("acc", hash_token("secret"), "test"),)


async def test_each_model_is_told_with_its_state_as_a_word(bridge, service):
    missing = models_pb2.Model(
        id="@cf/a/b", state=models_pb2.MODEL_STATE_WEIGHTS_MISSING, state_detail="run: pull", context_window=8
    )
    service.model.state, service.other_models = models_pb2.MODEL_STATE_LOADING, [missing]
    answer = json.loads((await bridge.ask("GET", "/playground/models")).body)
    assert [(model["id"], model["state"]) for model in answer["models"]] == [
        (DEMO, "loading"),
        ("@cf/a/b", "weights_missing"),
    ]
    assert answer["models"][1]["state_detail"] == "run: pull"
    assert answer["models"][1]["served_model"] == ""
    assert answer["models"][1]["context_window"] == 8


async def test_what_was_tried_is_told_with_its_outcome_as_a_word(bridge, service):
    times = [models_pb2.TimedRows(num_rows=1, time_us=12.5)]
    trial = models_pb2.Trial(what="products", way="onednn", outcome=models_pb2.TRIAL_OUTCOME_TOO_LONG, times=times)
    service.model.trials.append(trial)
    (model,) = json.loads((await bridge.ask("GET", "/playground/models")).body)["models"]
    assert model["trials"] == [
        {
            "what": "products",
            "way": "onednn",
            "outcome": "too_long",
            "detail": "",
            "times": [{"num_rows": 1, "time_us": 12.5}],
        }
    ]


async def test_how_a_model_drafts_is_told_as_a_word(bridge, service):
    service.model.speculative_method = models_pb2.SPECULATIVE_METHOD_NGRAM
    service.other_models = [models_pb2.Model(id="@cf/a/b")]
    told = json.loads((await bridge.ask("GET", "/playground/models")).body)["models"]
    assert [model["speculative_method"] for model in told] == ["ngram", "unspecified"]


async def test_without_tokens_the_account_is_local(bridge, service):
    answer = json.loads((await bridge.ask("GET", "/playground/models")).body)
    assert (answer["account"], answer["needs_token"]) == ("local", False)
    assert answer["grpc"] == {"address": service.target, "is_tls": False, "needs_token": False}


async def test_a_token_is_asked_for_and_its_account_told(start_bridge):
    bridge = await start_bridge(tokens=SECRET)
    good = await bridge.ask("GET", "/playground/models", headers={"Authorization": "Bearer secret"})
    bad = await bridge.ask("GET", "/playground/models", headers={"Authorization": "Bearer wrong"})
    assert json.loads(good.body)["account"] == "acc"
    assert bad.error == (401, 10000, "Authentication error")
