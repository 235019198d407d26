"""LoRA adapters over REST, with the real service: PEFT's answers on each route, beside others in one batch."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from bridge.config import Config
from service.catalog_adapters import CatalogAdapter
from tests.support.adapters import generate, load_adapted, save_adapter
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import load_reference
from tests.support.openai_asking import V1, error_of
from tests.support.running_bridge import Answer, Bridge, running_bridge
from tests.support.running_service import MODEL, config, run_service, write_catalog
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

PROMPT = "Where is New York?"
MAX_TOKENS = 12

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Adapted:
    """A bridge to a model with one adapter, "mine".

    Attributes:
        bridge: The bridge.
        texts: What transformers generates behind `PROMPT`, and PEFT under the adapter's name.
    """

    bridge: Bridge
    texts: dict[str, str]

    async def native(self, model: str = MODEL, **fields: Any) -> Answer:
        """An answer of Workers AI's route."""
        body = {"prompt": PROMPT, "raw": True, "temperature": 0, "max_tokens": MAX_TOKENS, "ignore_eos": True}
        return await self.bridge.run({**body, **fields}, model)

    async def completion(self, **fields: Any) -> Answer:
        """An answer of OpenAI's completions."""
        body = {"prompt": PROMPT, "temperature": 0, "max_tokens": MAX_TOKENS, "ignore_eos": True, "model": MODEL}
        return await self.bridge.ask("POST", f"{V1}/completions", json={**body, **fields})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def adapted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Adapted]:
    folder = tmp_path_factory.mktemp("adapted")
    base = save_tiny_model(folder / "tiny", vocab_size=512, max_position_embeddings=32_768)
    save_tokenizer(base, byte_level_tokenizer(512))
    adapter = save_adapter(base, folder / "mine", target_modules="all-linear", use_rslora=True)
    models = {"": load_reference(base, "float32"), "mine": load_adapted(base, adapter)}
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    settings = config(write_catalog(folder), lora_modules=(CatalogAdapter("mine", adapter, ""),))
    async with (
        run_service(settings) as service,
        running_bridge(Config(service=f"127.0.0.1:{service.service.port}", shutdown_grace_s=0.0)) as bridge,
    ):
        asked = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=PROMPT, raw=True))
        prompt = list((await service.text_generation.CountTokens(pb.CountTokensRequest(request=asked))).token_ids)
        texts = {name: tokenizer.decode(generate(it, prompt, MAX_TOKENS)) for name, it in models.items()}
        yield Adapted(bridge, texts)


async def test_lora_is_workers_ais_field(adapted: Adapted) -> None:
    answers = await asyncio.gather(*(adapted.native(**fields) for fields in ({}, {"lora": "mine"}) * 3))
    texts = [json.loads(answer.body)["result"]["response"] for answer in answers]
    assert texts == [adapted.texts[""], adapted.texts["mine"]] * 3
    assert not any("x-runstream-model" in answer.headers for answer in answers)


async def test_an_adapters_name_is_a_model_on_each_route(adapted: Adapted) -> None:
    by_field, by_name = await adapted.completion(lora="mine"), await adapted.completion(model="mine")
    told = [json.loads(answer.body) for answer in (by_field, by_name)]
    assert [it["choices"][0]["text"] for it in told] == [adapted.texts["mine"]] * 2
    assert [it["model"] for it in told] == [MODEL, "mine"]
    native = json.loads((await adapted.native("mine")).body)
    assert (native["result"]["response"], native["messages"]) == (adapted.texts["mine"], [])


async def test_models_are_listed_with_their_parent(adapted: Adapted) -> None:
    listed = json.loads((await adapted.bridge.ask("GET", f"{V1}/models")).body)["data"]
    assert {it["id"]: it["parent"] for it in listed if it["id"] in (MODEL, "mine")} == {MODEL: None, "mine": MODEL}
    assert json.loads((await adapted.bridge.ask("GET", f"{V1}/models/mine")).body)["parent"] == MODEL
    found = json.loads((await adapted.bridge.ask("GET", "/client/v4/accounts/acc/ai/models/search")).body)["result"]
    (row,) = [row for row in found if row["name"] == MODEL]
    assert {"property_id": "lora", "value": "true"} in row["properties"]
    assert "mine" not in [row["name"] for row in found]


async def test_another_name_is_told_those_there_are(adapted: Adapted) -> None:
    message = f"'/lora' is none of the adapters of {MODEL}; it has mine"
    status, code, told = (await adapted.native(lora="other")).error
    assert (status, code, told.endswith(message)) == (400, 5006, True)
    status, error = error_of(await adapted.completion(lora="other"))
    assert (status, error["param"], error["message"].endswith(message)) == (400, "lora", True)
