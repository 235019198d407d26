"""Which model answers, and what the service tells about its models."""

import grpc
import pytest
import pytest_asyncio
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.rpc.calls import Calls
from service.rpc.text_generation import MODEL_HEADER
from tests.support.running_service import MODEL, ask, error_info, run_edge

ABSENT = "@test/absent"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def get_model(running, model: str) -> models_pb2.Model:
    return (await running.models.GetModel(models_pb2.GetModelRequest(model=model))).model


async def test_the_catalog_is_listed_in_its_order(running):
    listed = (await running.models.ListModels(models_pb2.ListModelsRequest())).models
    assert [model.id for model in listed] == list(running.service.models.catalog)
    assert listed[0].id == "@runstream/demo"


async def test_a_loaded_model_is_ready_and_tells_its_limits(running):
    model = await get_model(running, MODEL)
    assert model.state == models_pb2.MODEL_STATE_READY
    assert model.served_model == MODEL
    assert (model.max_prompt_tokens, model.max_completion_tokens, model.context_window) == (8000, 30000, 32000)
    assert (model.default_max_tokens, model.default_max_tokens_streamed) == (32, 64)


async def test_a_model_without_weights_tells_the_command_that_fetches_them(running):
    model = await get_model(running, ABSENT)
    assert model.state == models_pb2.MODEL_STATE_WEIGHTS_MISSING
    assert "python -m service pull @test/absent" in model.state_detail
    assert model.served_model == ""


async def test_a_model_tells_its_licence_and_whether_it_was_trained_to_call_tools(running):
    demo, llama = [await get_model(running, model) for model in ("@runstream/demo", "@cf/meta/llama-3.1-8b-instruct")]
    assert (demo.license, demo.can_call_tools) == ("Apache-2.0", False)
    assert (llama.license, llama.can_call_tools) == ("https://www.llama.com/llama3_1/license/", True)


async def test_a_model_tells_the_shape_and_the_temperature_of_its_answers(running):
    shapes = {
        "@cf/zai-org/glm-4.7-flash": (models_pb2.ANSWER_SHAPE_CHAT, 1.0),
        "@cf/meta/llama-4-scout-17b-16e-instruct": (models_pb2.ANSWER_SHAPE_NATIVE, 0.15),
        MODEL: (models_pb2.ANSWER_SHAPE_NATIVE, 0.6),
    }
    for name, told in shapes.items():
        model = await get_model(running, name)
        assert (model.answer_shape, model.default_temperature) == told


async def test_a_model_that_nobody_knows_is_not_found(running):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get_model(running, "@test/unknown")
    assert error_info(caught.value).reason == "MODEL_NOT_FOUND"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def standing_in(running):
    """A server in which the loaded model stands in for all others."""
    async with run_edge(running, Calls(default_timeout_s=60), stand_in=MODEL) as edge:
        yield edge


async def test_a_stand_in_answers_under_its_own_name(standing_in):
    call = standing_in.text_generation.Run(ask(model=ABSENT, max_tokens=5))
    answer = await call
    assert answer.served_model == MODEL
    assert (MODEL_HEADER, MODEL) in list(await call.initial_metadata())
    model = await get_model(standing_in, ABSENT)
    assert (model.state, model.served_model) == (models_pb2.MODEL_STATE_READY, MODEL)


async def test_a_stood_in_request_keeps_the_limits_of_the_model_it_names(standing_in):
    answer = await standing_in.text_generation.Run(ask(model=ABSENT))
    assert answer.usage.completion_tokens == 24
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await standing_in.text_generation.Run(ask(model=ABSENT, max_tokens=2001))
    assert error_info(caught.value).reason == "CONTEXT_WINDOW_EXCEEDED"


async def test_a_model_that_another_has_replaced_is_answered_with_that_ones_limits(standing_in):
    replaced = await get_model(standing_in, "@cf/moonshotai/kimi-k2.5")
    assert (replaced.replaced_by, replaced.retired) == ("@cf/moonshotai/kimi-k2.6", "2026-05-30")
    assert (replaced.state, replaced.served_model) == (models_pb2.MODEL_STATE_READY, MODEL)


async def test_a_stand_in_does_not_answer_for_models_that_generate_no_text(standing_in):
    decides = await get_model(standing_in, "@cf/cloudflare/clef-flash")
    assert (decides.state, decides.answer_shape) == (
        models_pb2.MODEL_STATE_WEIGHTS_MISSING,
        models_pb2.ANSWER_SHAPE_DECISION,
    )
    with pytest.raises(grpc.aio.AioRpcError, match="it answers questions about a state") as caught:
        await standing_in.text_generation.Run(ask(model="@cf/cloudflare/clef-flash"))
    assert error_info(caught.value).reason == "WEIGHTS_MISSING"


async def test_a_model_that_can_not_be_served_tells_why(running):
    model = await get_model(running, "@cf/openai/gpt-oss-20b")
    assert model.state == models_pb2.MODEL_STATE_WEIGHTS_MISSING
    assert "its attention with sinks is none that the engine knows" in model.state_detail
    assert list(model.properties) == ["function_calling", "reasoning"]


async def test_a_stand_in_does_not_make_up_models(standing_in):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await standing_in.text_generation.Run(pb.RunRequest(model="@test/unknown", prompt=pb.Prompt(text="hi")))
    assert error_info(caught.value).reason == "MODEL_NOT_FOUND"
