"""Run and RunStream over a real socket with a real engine: one law for both."""

import asyncio

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from service.servicer import MODEL_HEADER
from tests.service.running_service import MODEL, ask

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("seed", range(4))
async def test_joined_parts_are_the_answer_of_run(running, seed):
    request = ask(temperature=1.0, seed=seed, max_tokens=40)
    await running.text_generation.Run(request)  # from then on its prompt is cached for all alike
    whole = await running.text_generation.Run(request)
    parts = [part async for part in running.text_generation.RunStream(request)]
    assert "".join(part.text for part in parts) == whole.text
    assert parts[-1].finish_reason == whole.finish_reason
    assert parts[-1].usage == whole.usage


async def test_only_the_last_part_says_how_it_ended(running):
    parts = [part async for part in running.text_generation.RunStream(ask(max_tokens=20))]
    assert len(parts) > 1
    for part in parts[:-1]:
        assert part.finish_reason == pb.FINISH_REASON_UNSPECIFIED
        assert not part.HasField("usage")
    assert parts[-1].finish_reason == pb.FINISH_REASON_LENGTH


async def test_the_first_part_comes_while_the_engine_still_generates(running):
    call = running.text_generation.RunStream(ask(max_tokens=3000))
    await call.read()
    assert running.engine.num_running == 1
    call.cancel()
    await running.engine.wait_for(lambda: running.engine.num_running == 0)


async def test_usage_counts_the_tokens_of_template_prompt_and_completion(running):
    short = await running.text_generation.Run(ask("a", max_tokens=5))
    long = await running.text_generation.Run(ask("a b c d e f", max_tokens=5))
    assert short.usage.completion_tokens == 5
    assert short.usage.prompt_tokens > 1
    assert long.usage.prompt_tokens > short.usage.prompt_tokens


async def test_usage_counts_the_prompt_tokens_that_were_cached(running):
    request = ask("How many bridges does Pittsburgh have, and who counted them?", max_tokens=5)
    first, second = [await running.text_generation.Run(request) for _ in range(2)]
    assert first.usage.cached_prompt_tokens % 16 == 0
    assert second.usage.cached_prompt_tokens == (second.usage.prompt_tokens - 1) // 16 * 16
    assert second.text == first.text


async def test_another_cache_salt_finds_nothing(running):
    request = ask("What is it that nobody else may learn that I have asked?", max_tokens=1)
    cached = []
    for salt in ("é" * 256, "yours", "é" * 256):
        request.cache_salt = salt
        cached.append((await running.text_generation.Run(request)).usage.cached_prompt_tokens)
    assert cached[:2] == [0, 0]
    assert cached[2] > 0


async def test_a_batch_request_is_answered_like_any_other(running):
    request = ask(max_tokens=20)
    batch = pb.RunRequest(priority=pb.PRIORITY_BATCH)
    batch.MergeFrom(request)
    answers = await asyncio.gather(*map(running.text_generation.Run, (request, batch)))
    assert answers[0].text == answers[1].text


async def test_parts_name_the_request_and_the_model(running):
    parts = [part async for part in running.text_generation.RunStream(ask(max_tokens=5))]
    assert len({part.id for part in parts}) == 1
    assert {part.served_model for part in parts} == {MODEL}


async def test_initial_metadata_names_the_model_that_answers(running):
    call = running.text_generation.Run(ask(max_tokens=1))
    assert (MODEL_HEADER, MODEL) in list(await call.initial_metadata())


async def test_equal_seeds_draw_equally_whatever_else_runs(running):
    requests = [ask(temperature=1.0, seed=seed, max_tokens=20) for seed in (1, 2, 1, 3, 1)]
    answers = await asyncio.gather(*(running.text_generation.Run(request) for request in requests))
    assert answers[0].text == answers[2].text == answers[4].text
    assert answers[0].text != answers[1].text


async def test_a_request_without_a_seed_gets_a_fresh_one(running):
    request = ask(temperature=2.0, max_tokens=20)
    answers = [await running.text_generation.Run(request) for _ in range(2)]
    assert answers[0].text != answers[1].text


async def test_max_tokens_has_the_catalogs_default(running):
    answer = await running.text_generation.Run(ask())
    assert answer.usage.completion_tokens == 32


async def test_a_single_prompt_is_a_user_message(running):
    params = pb.SamplingParams(temperature=0.0, max_tokens=8)
    single = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="Where is New York?"), sampling_params=params)
    await running.text_generation.Run(single)  # from then on the prompt is cached
    as_prompt, as_message = [await running.text_generation.Run(request) for request in (single, ask(max_tokens=8))]
    assert as_prompt.text == as_message.text
    assert as_prompt.usage == as_message.usage


async def test_a_silent_unary_call_survives_the_pings_of_its_client(running):
    options = (
        ("grpc.keepalive_time_ms", 10),
        ("grpc.keepalive_timeout_ms", 5000),
        ("grpc.http2.max_pings_without_data", 0),
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.service.port}", options=options) as channel:
        run = text_generation_pb2_grpc.TextGenerationServiceStub(channel).Run
        answer = await run(ask(max_tokens=800))
    assert answer.usage.completion_tokens == 800
