"""Several models in one service, each with an engine process of its own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.config import ServiceConfig
from service.engine_client.process import EngineProcess
from service.errors import ModelNotReadyError, WeightsMissingError
from tests.support.batch_requests import batch_of, created, done
from tests.support.checkpoints import save_tiny_model
from tests.support.running_service import RunningService, ask, config, details, error_info, run_service
from tests.support.scripted_engine import scripted_engine
from tests.support.service_process import is_running
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

FIRST, SECOND, BROKEN, ABSENT = "@several/first", "@several/second", "@several/broken", "@several/absent"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ENTRY = """
[models."{model}"]
description = "A random model."
checkpoint = "{checkpoint}"
dtype = "float32"
max_prompt_tokens = 900
max_completion_tokens = 900
context_window = 1000
default_max_tokens = 32
default_max_tokens_streamed = 64
"""


@pytest.fixture(scope="session")
def several_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one with a file that is no weights, and one without any."""
    folder = tmp_path_factory.mktemp("several")
    entries = []
    for seed, model in enumerate((FIRST, SECOND, BROKEN)):
        name = model.rpartition("/")[2]
        save_tiny_model(folder / name, seed=seed, vocab_size=512)
        save_tokenizer(folder / name, byte_level_tokenizer(512))
        entries.append(_ENTRY.format(model=model, checkpoint=f"./{name}"))
    (folder / "broken" / "model.safetensors").write_bytes(b"no weights")
    entries.append(_ENTRY.format(model=ABSENT, checkpoint="nobody/has-this"))
    catalog = folder / "catalog.toml"
    catalog.write_text("".join(entries))
    return catalog


@pytest.fixture(scope="session")
def serving(several_catalog: Path) -> Callable[..., ServiceConfig]:
    """Settings for some of these models, whose engines compute nothing unless it is told otherwise."""

    def make(*models: str, engine: tuple[str, ...] = scripted_engine(1000), **changes: Any) -> ServiceConfig:
        return config(several_catalog, models=models, kv_cache_memory_mib=16, engine_command=engine, **changes)

    return make


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(serving):
    """Two models, which every test leaves loaded."""
    async with run_service(serving(FIRST, SECOND)) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def computing(serving):
    """Two models that are computed."""
    async with run_service(serving(FIRST, SECOND, engine=())) as service:
        yield service


async def get_model(running: RunningService, model: str) -> models_pb2.Model:
    return (await running.models.GetModel(models_pb2.GetModelRequest(model=model))).model


async def health(running: RunningService, name: str) -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
    return (await running.health.Check(health_pb2.HealthCheckRequest(service=name))).status


async def load(running: RunningService, model: str) -> models_pb2.Model:
    return (await running.models.LoadModel(models_pb2.LoadModelRequest(model=model))).model


async def unload(running: RunningService, model: str) -> models_pb2.Model:
    return (await running.models.UnloadModel(models_pb2.UnloadModelRequest(model=model))).model


async def refusal(call: Coroutine[Any, Any, Any]) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def answer(running: RunningService, model: str, max_tokens: int = 5) -> pb.RunResponse:
    return await running.text_generation.Run(ask(model=model, max_tokens=max_tokens))


async def rest_of(stream: AsyncIterator[pb.RunStreamResponse]) -> list[pb.RunStreamResponse]:
    """The parts that are left of a stream."""
    return [part async for part in stream]


def pid_of(running: RunningService, model: str) -> int:
    (engine,) = [opened.engine for opened in running.service.models.opened if opened.entry.id == model]
    assert isinstance(engine, EngineProcess)
    assert engine.pid is not None
    return engine.pid


async def test_two_models_answer_interleaved_requests_each_as_it_does_alone(computing):
    alone = {model: (await answer(computing, model, 40)).text for model in (FIRST, SECOND)}
    assert alone[FIRST] != alone[SECOND]
    models = [FIRST, SECOND] * 4
    answers = await asyncio.gather(*(answer(computing, model, 40) for model in models))
    assert [one.served_model for one in answers] == models
    assert [one.text for one in answers] == [alone[model] for model in models]


async def test_killing_one_engine_leaves_the_streams_of_the_other_as_they_were(both):
    undisturbed = (await answer(both, FIRST, 800)).text
    stream, *others = [
        aiter(both.text_generation.RunStream(ask(model=it, max_tokens=800)))
        for it in (FIRST, *[SECOND] * 8)  # which have a few seconds together: none ends before it is killed
    ]
    begun = [await anext(each) for each in (stream, *others)]
    os.kill(pid_of(both, SECOND), signal.SIGKILL)
    assert {error_info(await refusal(rest_of(each))).reason for each in others} == {"ENGINE_FAILED"}
    assert await health(both, FIRST) == await health(both, "") == SERVING
    assert begun[0].text + "".join(part.text for part in await rest_of(stream)) == undisturbed
    assert (await answer(both, SECOND)).usage.completion_tokens == 5, "it waits until the engine is up again"


async def test_a_model_that_was_unloaded_is_refused_until_it_is_loaded_again(both):
    first_pid, second_pid = pid_of(both, FIRST), pid_of(both, SECOND)
    unloaded = await unload(both, SECOND)
    assert (unloaded.state, unloaded.served_model) == (models_pb2.MODEL_STATE_UNLOADED, "")
    assert not is_running(second_pid)
    error = await refusal(answer(both, SECOND))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert f"python -m service load {SECOND} loads it" in (error.details() or "")
    assert (await load(both, SECOND)).state == models_pb2.MODEL_STATE_READY
    assert (await answer(both, SECOND)).usage.completion_tokens == 5
    assert pid_of(both, FIRST) == first_pid


async def test_unloading_lets_requests_end(both):
    stream = aiter(both.text_generation.RunStream(ask(model=SECOND, max_tokens=300)))
    await anext(stream)
    await unload(both, SECOND)
    assert (await rest_of(stream))[-1].usage.completion_tokens == 300
    await load(both, SECOND)


async def test_only_models_of_the_catalog_with_weights_can_be_loaded(both):
    assert error_info(await refusal(load(both, "@several/unknown"))).reason == "MODEL_NOT_FOUND"
    assert error_info(await refusal(unload(both, "@several/unknown"))).reason == "MODEL_NOT_FOUND"
    assert error_info(await refusal(load(both, ABSENT))).reason == "WEIGHTS_MISSING"


async def test_a_model_that_the_service_was_started_without_can_be_loaded(serving):
    async with run_service(serving(FIRST)) as running:
        assert (await get_model(running, SECOND)).state == models_pb2.MODEL_STATE_UNLOADED
        assert "python -m service load" in ((await refusal(answer(running, SECOND))).details() or "")
        await load(running, SECOND)
        assert (await answer(running, SECOND)).served_model == SECOND
        assert await health(running, SECOND) == SERVING


async def test_models_that_can_not_be_loaded_leave_the_others_serving(serving, capsys):
    async with run_service(serving(BROKEN, FIRST, ABSENT)) as running:
        assert (await answer(running, FIRST)).usage.completion_tokens == 5
        assert await health(running, "") == await health(running, FIRST) == SERVING
        assert await health(running, BROKEN) == await health(running, ABSENT) == NOT_SERVING
        broken, absent = await get_model(running, BROKEN), await get_model(running, ABSENT)
        error = await refusal(answer(running, BROKEN))
    assert broken.state == models_pb2.MODEL_STATE_FAILED
    assert "model.safetensors is no whole safetensors file" in broken.state_detail
    assert broken.state_detail in (error.details() or "")
    assert absent.state == models_pb2.MODEL_STATE_WEIGHTS_MISSING
    reported = capsys.readouterr().out
    assert f"NOT LOADED: {BROKEN}: " in reported
    assert f"NOT LOADED: {ABSENT}: The weights of" in reported


@pytest.mark.parametrize(("models", "reason"), [((BROKEN,), ModelNotReadyError), ((ABSENT,), WeightsMissingError)])
async def test_a_service_of_which_no_model_can_be_loaded_does_not_start(serving, models, reason):
    with pytest.raises(reason, match=models[0]):
        async with run_service(serving(*models)):
            pass


async def test_a_model_that_does_not_fit_is_refused_with_what_would(serving):
    async with run_service(serving(FIRST, SECOND, memory_budget_mib=20)) as running:
        states = {model: await get_model(running, model) for model in (FIRST, SECOND)}
    ready, failed = models_pb2.MODEL_STATE_READY, models_pb2.MODEL_STATE_FAILED
    assert {model: told.state for model, told in states.items()} == {FIRST: ready, SECOND: failed}
    assert f"What would fit: it, with {FIRST} unloaded" in states[SECOND].state_detail


async def test_models_loaded_on_use_give_each_other_their_room(serving):
    async with run_service(serving(FIRST, SECOND, load="on-use", memory_budget_mib=20)) as running:
        first = await get_model(running, FIRST)
        assert (first.state, first.served_model) == (models_pb2.MODEL_STATE_UNLOADED, FIRST)
        assert await health(running, "") == await health(running, FIRST) == SERVING
        answers = [await answer(running, model) for model in (FIRST, SECOND)]
        assert [one.served_model for one in answers] == [FIRST, SECOND]
        assert "@several/second needs its room" in (await get_model(running, FIRST)).state_detail


async def test_a_request_that_does_not_wait_is_told_to_come_back_and_finds_the_model_then(serving):
    async with run_service(serving(FIRST, load="on-use", load_wait_s=0.0)) as running:
        error = await refusal(answer(running, FIRST))
        assert (error.code(), error_info(error).reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY")
        retry = details(error, error_details_pb2.RetryInfo)
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert retry.retry_delay.seconds >= 1
        await load(running, FIRST)
        assert (await answer(running, FIRST)).usage.completion_tokens == 5


async def test_a_batch_loads_its_model(serving, tmp_path):
    async with run_service(serving(FIRST, load="on-use", batch_db=str(tmp_path / "batches.sqlite"))) as running:
        batch = await created(running, batch_of([ask(model=FIRST, max_tokens=3)] * 3, model=FIRST))
        assert (await done(running, batch.id)).num_succeeded == 3
