"""A service that drafts answers as one that does not, in fewer steps, and counts what came of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.speculative import Speculative
from tests.support.metric_samples import samples
from tests.support.running_service import MODEL, RunningService, ask, config, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEW = [70, 71, 72, 80]
"""Tokens of which a random model makes a text that goes round."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drafting(catalog_file: Path, unused_tcp_port_factory: Any) -> AsyncIterator[RunningService]:
    settings = config(catalog_file, metrics_port=unused_tcp_port_factory(), speculative=Speculative.AUTO)
    async with run_service(settings) as running:
        yield running


def looping(**params: Any) -> pb.RunRequest:
    asked: dict[str, Any] = {"max_tokens": 150, "allowed_token_ids": FEW} | params
    return ask(**asked)


def stopping(stop: str) -> pb.RunRequest:
    request = looping()
    request.stop_sequences.append(stop)
    return request


REQUESTS = {
    "greedy": looping(),
    "seeded": looping(temperature=0.8, seed=3),
    "with log probabilities": looping(top_logprobs=2),
    "with penalties": looping(frequency_penalty=0.2, repetition_penalty=1.1),
    "free": ask(max_tokens=150),
}


def seen(answer: pb.RunResponse) -> pb.RunResponse:
    """All that does not tell one answer from another."""
    answer.ClearField("id")
    answer.usage.ClearField("cached_prompt_tokens")
    return answer


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_answers_are_the_same(running: RunningService, drafting: RunningService, request_: pb.RunRequest) -> None:
    plain, drafted = [seen(await it.text_generation.Run(request_)) for it in (running, drafting)]
    assert drafted == plain
    assert plain.usage.completion_tokens == 150
    parts = [part async for part in drafting.text_generation.RunStream(request_)]
    assert "".join(part.text for part in parts) == plain.text
    assert parts[-1].usage.completion_tokens == 150


async def test_a_stop_sequence_within_a_draft_ends_the_answer_where_it_stands(
    running: RunningService, drafting: RunningService
) -> None:
    text = (await running.text_generation.Run(looping())).text
    request = stopping(text[100:104])
    plain, drafted = [seen(await it.text_generation.Run(request)) for it in (running, drafting)]
    assert drafted == plain
    assert plain.matched_stop == text[100:104]
    assert await drafting.is_idle()


async def test_a_model_tells_how_it_drafts(running: RunningService, drafting: RunningService) -> None:
    asked = models_pb2.GetModelRequest(model=MODEL)
    plain, drafted = [(await it.models.GetModel(asked)).model for it in (running, drafting)]
    assert drafted.speculative_method == models_pb2.SPECULATIVE_METHOD_NGRAM
    assert plain.speculative_method == models_pb2.SPECULATIVE_METHOD_NONE
    assert plain.speculative_detail == "turned off by --speculative none"


async def test_a_model_that_is_not_loaded_tells_nothing_of_drafts(drafting: RunningService) -> None:
    asked = models_pb2.GetModelRequest(model="@test/absent")
    model = (await drafting.models.GetModel(asked)).model
    assert model.speculative_method == models_pb2.SPECULATIVE_METHOD_UNSPECIFIED


async def test_what_came_of_drafts_is_counted(drafting: RunningService) -> None:
    def counts(page: dict[Any, float]) -> list[float]:
        return [page[f"runstream_spec_decode_num_{name}_total", MODEL] for name in NAMES]

    before = await samples(drafting.service.metrics_port)
    await drafting.text_generation.Run(looping())
    after = await samples(drafting.service.metrics_port)
    num_drafts, num_drafted, num_accepted = (
        now - then for now, then in zip(counts(after), counts(before), strict=True)
    )
    assert 0 < num_drafts <= num_accepted <= num_drafted
    key = "runstream_generation_tokens_total", MODEL
    assert after[key] - before.get(key, 0) == 150


NAMES = ("drafts", "draft_tokens", "accepted_tokens")
