"""LoRA adapters beside a model, over gRPC: chosen by field or by name, told apart, refused in words, kept."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.catalog_adapters import CatalogAdapter
from service.config import ConfigError
from service.models.opening import catalog_of, engine_configs, open_models
from tests.support.adapters import generate, load_adapted, save_adapter
from tests.support.batch_requests import batch_of, created, done, results_of
from tests.support.engine_states import until
from tests.support.engines import load_reference
from tests.support.running_service import MODEL, RunningService, config, details, error_info, run_service

PROMPT = [(step * 37 + 5) % 512 for step in range(40)]
MAX_TOKENS = 12
NAMES = ("first", "second")

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Adapters:
    """Two adapters of the tiny model, in a catalog and as the command line names one.

    Attributes:
        base: The model's checkpoint.
        folders: Theirs, by name.
        catalog_file: Describes the model and the first.
    """

    base: Path
    folders: dict[str, Path]
    catalog_file: Path

    @property
    def second(self) -> CatalogAdapter:
        return CatalogAdapter("second", self.folders["second"], "")


@pytest.fixture(scope="module")
def adapters(catalog_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    base, folder = catalog_file.parent / "tiny", tmp_path_factory.mktemp("adapters")
    folders = {name: save_adapter(base, folder / name, seed, r=8) for seed, name in enumerate(NAMES)}
    described = folder / "catalog.toml"
    described.write_text(f'[adapters.first]\nbase = "{MODEL}"\npath = "./first"\ndescription = "The first."\n')
    return Adapters(base, folders, described)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(
    catalog_file: Path, adapters: Adapters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningService]:
    settings = config(
        catalog_file,
        catalog_files=(catalog_file, adapters.catalog_file),
        lora_modules=(adapters.second,),
        batch_db=str(tmp_path_factory.mktemp("batches") / "batches.sqlite"),
    )
    async with run_service(settings) as running:
        yield running


@pytest.fixture(scope="module")
def expected(adapters: Adapters) -> dict[str, list[int]]:
    """PEFT's tokens, by adapter; transformers' under no name."""
    models = {name: load_adapted(adapters.base, folder) for name, folder in adapters.folders.items()}
    models[""] = load_reference(adapters.base, "float32")
    tokens = {name: generate(model, PROMPT, MAX_TOKENS) for name, model in models.items()}
    assert len(set(map(tuple, tokens.values()))) == 3
    return tokens


def request_of(lora: str = "", model: str = MODEL) -> pb.RunRequest:
    params = pb.SamplingParams(max_tokens=MAX_TOKENS, temperature=0, top_logprobs=0, ignore_eos=True)
    return pb.RunRequest(model=model, prompt_token_ids=pb.TokenIds(values=PROMPT), sampling_params=params, lora=lora)


async def ask(running: RunningService, lora: str = "", model: str = MODEL) -> pb.RunResponse:
    return await running.text_generation.Run(request_of(lora, model))


def tokens_of(response: pb.RunResponse) -> list[int]:
    return [it.token_id for it in response.logprobs]


async def refusal(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_each_request_of_a_crowd_gets_its_adapters_tokens(
    served: RunningService, expected: dict[str, list[int]]
) -> None:
    asked = ["", "first", "second"] * 3
    answers = await asyncio.gather(*(ask(served, lora) for lora in asked))
    assert [tokens_of(answer) for answer in answers] == [expected[lora] for lora in asked]
    assert {answer.served_model for answer in answers} == {MODEL}
    assert await served.is_idle()


@pytest.mark.parametrize("name", NAMES)
async def test_an_adapters_name_is_a_models(served: RunningService, expected: dict[str, list[int]], name: str) -> None:
    by_name, by_both = await ask(served, model=name), await ask(served, name, name)
    assert tokens_of(by_name) == tokens_of(by_both) == expected[name]
    assert by_name.served_model == by_both.served_model == name


async def test_streams_and_batches_have_them_too(served: RunningService, expected: dict[str, list[int]]) -> None:
    parts = [part async for part in served.text_generation.RunStream(request_of("first"))]
    assert [it.token_id for part in parts for it in part.logprobs] == expected["first"]
    requests = [request_of("second"), request_of()]
    of_base, of_adapter = (
        await created(served, batch_of(requests)),
        await created(served, batch_of([request_of(model="first")], model="first")),
    )
    found = [await results_of(served, (await done(served, batch.id)).id) for batch in (of_base, of_adapter)]
    tokens = [tokens_of(result.response) for results in found for result in results]
    assert tokens == [expected["second"], expected[""], expected["first"]]


async def test_an_unknown_adapter_is_told_those_there_are(served: RunningService) -> None:
    error = await refusal(ask(served, "third"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "INVALID_REQUEST"
    assert error.details() == f"lora is none of the adapters of {MODEL}; it has first, second"
    assert details(error, error_details_pb2.BadRequest)


async def test_one_adapter_is_not_asked_for_another(served: RunningService) -> None:
    error = await refusal(ask(served, "second", "first"))
    assert error.details() == (
        "lora is second, and first is an adapter itself: name its base as the model, or leave lora out"
    )


async def test_a_name_longer_than_any_is_refused(served: RunningService) -> None:
    assert "lora has 129 characters; it may have 0 to 128" in str((await refusal(ask(served, "x" * 129))).details())


async def test_a_model_without_adapters_has_a_reason_of_its_own(running: RunningService) -> None:
    error = await refusal(ask(running, "first"))
    assert (error.code(), error_info(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LORA_UNSUPPORTED")
    assert error.details() == f"The model {MODEL} does not support LoRa inference"


async def test_models_tell_their_adapters_and_these_their_parent(served: RunningService) -> None:
    listed = await served.models.ListModels(models_pb2.ListModelsRequest())
    models = {model.id: model for model in listed.models}
    assert list(models[MODEL].lora_adapters) == ["first", "second"]
    assert (models["first"].parent, models["first"].description) == (MODEL, "The first.")
    assert models["second"].state == models_pb2.MODEL_STATE_READY
    assert models["second"].served_model == "second"
    assert models["second"].context_window == models[MODEL].context_window


async def test_an_adapter_is_loaded_with_its_base_and_not_unloaded_alone(served: RunningService) -> None:
    loaded = await served.models.LoadModel(models_pb2.LoadModelRequest(model="first"))
    assert loaded.model.state == models_pb2.MODEL_STATE_READY
    error = await refusal(served.models.UnloadModel(models_pb2.UnloadModelRequest(model="first")))
    assert error.details() == f"first is a LoRA adapter of {MODEL}: unload that"


async def test_an_engine_that_is_started_again_has_them(served: RunningService, expected: dict[str, list[int]]) -> None:
    os.kill(served.engine_pid, signal.SIGKILL)
    await until(served.engine, lambda: served.engine.num_restarts == 1 and served.engine.is_serving)
    assert tokens_of(await ask(served, "second")) == expected["second"]


async def test_a_model_is_not_loaded_with_an_adapter_of_another(
    catalog_file: Path, adapters: Adapters, tmp_path: Path
) -> None:
    broken = CatalogAdapter("broken", tmp_path, "")
    settings = config(catalog_file, lora_modules=(broken,), stand_in="")
    with pytest.raises(
        Exception, match=r"the LoRA adapter broken can't be served: .*adapter_config\.json is not there"
    ):
        async with run_service(settings):
            pass


async def test_an_adapter_needs_a_base(catalog_file: Path, adapters: Adapters) -> None:
    settings = config(catalog_file, lora_modules=(adapters.second,), models=(MODEL, "@test/absent"))
    with pytest.raises(ConfigError, match="--lora-modules second: which of 2 models is its base"):
        catalog_of(settings)


async def test_an_adapter_can_not_be_served_without_its_base(catalog_file: Path, adapters: Adapters) -> None:
    settings = config(catalog_file, catalog_files=(catalog_file, adapters.catalog_file), models=("first",))
    with pytest.raises(ConfigError, match=f"first is a LoRA adapter, .* name {MODEL} instead"):
        open_models(settings, catalog_of(settings))


async def test_each_engine_of_a_model_has_its_adapters(catalog_file: Path, adapters: Adapters) -> None:
    settings = config(
        catalog_file,
        catalog_files=(catalog_file, adapters.catalog_file),
        lora_modules=(adapters.second,),
        devices=("cpu", "cpu"),
    )
    catalog = catalog_of(settings)
    found = [[it.name for it in engine.adapters] for engine in engine_configs(settings, catalog[MODEL], catalog)]
    assert found == [["first", "second"]] * 2
    assert [engine.adapters for engine in engine_configs(settings, catalog["@runstream/demo"], catalog)] == [(), ()]
