"""Run and RunStream over a real socket with a real engine: one law for both."""

import asyncio
from typing import Any

import grpc
import pytest
import torch
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from service.rpc.text_generation import MODEL_HEADER
from tests.support.engine_states import until
from tests.support.engines import load_reference
from tests.support.running_service import MODEL, ask

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
    parts = [part async for part in running.text_generation.RunStream(ask(max_tokens=1000))]
    assert len(parts) > 1
    for part in parts[:-1]:
        assert part.finish_reason == pb.FINISH_REASON_UNSPECIFIED
        assert not part.HasField("usage")
    assert parts[-1].finish_reason == pb.FINISH_REASON_LENGTH


async def test_the_first_part_comes_while_the_engine_still_generates(running):
    call = running.text_generation.RunStream(ask(max_tokens=20_000))
    await call.read()
    assert running.engine.num_running == 1
    call.cancel()
    await until(running.engine, lambda: running.engine.num_running == 0)


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


async def test_log_probabilities_are_told_of_every_token_and_join_like_text(running):
    request = ask(temperature=1.0, seed=3, max_tokens=30, ignore_eos=True, top_logprobs=2)
    whole = await running.text_generation.Run(request)
    parts = [part async for part in running.text_generation.RunStream(request)]
    assert [logprob for part in parts for logprob in part.logprobs] == list(whole.logprobs)
    assert len(whole.logprobs) == whole.usage.completion_tokens == 30
    assert b"".join(logprob.token for logprob in whole.logprobs).decode(errors="replace") == whole.text
    for logprob in whole.logprobs:
        likely, second = logprob.top
        assert 0 >= likely.logprob >= max(second.logprob, logprob.logprob)


async def test_asking_for_log_probabilities_changes_nothing_else(running):
    free = await running.text_generation.Run(ask(temperature=1.0, seed=3, max_tokens=30))
    told = await running.text_generation.Run(ask(temperature=1.0, seed=3, max_tokens=30, top_logprobs=0))
    assert not free.logprobs
    assert not any(logprob.top for logprob in told.logprobs)
    assert (free.text, free.usage) == (told.text, told.usage)


async def test_a_greedy_token_is_the_most_likely_one(running):
    answer = await running.text_generation.Run(ask(max_tokens=10, top_logprobs=1))
    for logprob in answer.logprobs:
        assert (logprob.token_id, logprob.logprob) == (logprob.top[0].token_id, logprob.top[0].logprob)


async def test_log_probabilities_of_the_prompt_come_once_and_first(running):
    asked: dict[str, Any] = {"max_tokens": 20, "top_prompt_logprobs": 2}
    text = "How many of these tokens did the model see come?"
    whole = await running.text_generation.Run(ask(text, **asked))
    first, *others = [part async for part in running.text_generation.RunStream(ask(text, **asked))]
    assert list(first.prompt_logprobs) == list(whole.prompt_logprobs)
    assert not any(part.prompt_logprobs for part in others)
    counted = await running.text_generation.CountTokens(pb.CountTokensRequest(request=ask(text)))
    assert [logprob.token_id for logprob in whole.prompt_logprobs] == counted.token_ids[1:]
    assert {len(logprob.top) for logprob in whole.prompt_logprobs} == {2}
    assert whole.usage.cached_prompt_tokens == 0
    free = await running.text_generation.Run(ask(text, max_tokens=20))
    assert (free.text, list(free.prompt_logprobs)) == (whole.text, [])
    assert await running.is_idle()


async def test_log_probabilities_of_the_prompt_are_those_of_transformers(running, catalog_file):
    answer = await running.text_generation.Run(ask(max_tokens=1, top_prompt_logprobs=0))
    request = pb.CountTokensRequest(request=ask())
    ids = list((await running.text_generation.CountTokens(request)).token_ids)
    model = load_reference(catalog_file.parent / "tiny", "float32")
    with torch.inference_mode():
        raw = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], dim=-1)
    expected = [row[token_id].item() for row, token_id in zip(raw, ids[1:], strict=True)]
    assert [logprob.logprob for logprob in answer.prompt_logprobs] == pytest.approx(expected, abs=1e-4)


async def test_a_prompt_of_one_token_has_no_log_probabilities(running):
    request = ask(max_tokens=3, top_prompt_logprobs=1)
    request.prompt_token_ids.values.append(5)
    answer = await running.text_generation.Run(request)
    assert (answer.usage.prompt_tokens, list(answer.prompt_logprobs)) == (1, [])


async def greedy_token_ids(running, **params):
    """The tokens of a completion of up to 40."""
    answer = await running.text_generation.Run(ask(max_tokens=40, top_logprobs=0, **params))
    return [logprob.token_id for logprob in answer.logprobs]


async def test_a_bias_of_100_decides_and_one_of_minus_100_forbids(running):
    first, *_ = await greedy_token_ids(running)
    assert await greedy_token_ids(running, logit_bias={first: 100}) == [first] * 40
    assert first not in await greedy_token_ids(running, logit_bias={first: -100})


async def test_only_allowed_tokens_are_chosen(running):
    assert set(await greedy_token_ids(running, allowed_token_ids=[70, 71, 300])) <= {70, 71, 300}
    assert await greedy_token_ids(running, allowed_token_ids=[511]) == [511] * 40


async def test_bad_words_stand_nowhere_in_the_completion(running):
    sampled: dict[str, Any] = {"max_tokens": 200, "temperature": 1.0, "seed": 5, "ignore_eos": True}
    free = await running.text_generation.Run(ask(**sampled))
    words = sorted({free.text[place : place + 2].strip() for place in range(0, 120, 4)} - {""})
    answer = await running.text_generation.Run(ask(bad_words=words, top_logprobs=0, **sampled))
    spelled = await running.model.loaded().chat.encode_bad_words(words, 512)
    ids = [logprob.token_id for logprob in answer.logprobs]
    assert not any(tuple(ids[at : at + len(word)]) == word for word in spelled for at in range(len(ids)))
    assert answer.text != free.text


async def test_what_excludes_every_token_is_the_requests_own_fault(running):
    words = running.model.loaded().chat.vocabulary.token_bytes(70).decode()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.text_generation.Run(ask(allowed_token_ids=[70], bad_words=[words]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "allowed_token_ids, bad_words" in (caught.value.details() or "")
    assert await running.is_idle()


async def test_penalties_make_tokens_come_less_often(running):
    free = await greedy_token_ids(running)
    assert len(set(await greedy_token_ids(running, frequency_penalty=2, presence_penalty=2))) > len(set(free))
    assert len(set(await greedy_token_ids(running, repetition_penalty=2))) > len(set(free))


async def test_a_stop_token_ends_the_completion_whole_and_streamed(running):
    *before, stop = (await greedy_token_ids(running))[:8]
    request = ask(max_tokens=40, top_logprobs=0, ignore_eos=True)
    request.stop_token_ids.append(stop)
    whole = await running.text_generation.Run(request)
    parts = [part async for part in running.text_generation.RunStream(request)]
    tokens = [*before, stop][: [*before, stop].index(stop) + 1]
    assert [logprob.token_id for logprob in whole.logprobs] == tokens
    assert whole.usage.completion_tokens == len(tokens)
    for ended in (whole, parts[-1]):
        assert (ended.finish_reason, ended.matched_stop_token_id) == (pb.FINISH_REASON_STOP, stop)
    assert not any(part.HasField("matched_stop_token_id") for part in parts[:-1])
    assert whole.text == "".join(part.text for part in parts)
    request.include_stop_sequence = True
    included = await running.text_generation.Run(request)
    assert included.text == b"".join(logprob.token for logprob in whole.logprobs).decode(errors="replace")
    assert await running.is_idle()


async def test_an_end_of_sequence_token_is_no_stop_token_unless_it_is_ignored(running):
    request = ask(logit_bias={2: 100}, max_tokens=5)
    request.stop_token_ids.append(2)
    ended = await running.text_generation.Run(request)
    request.sampling_params.ignore_eos = True
    stopped = await running.text_generation.Run(request)
    assert [answer.usage.completion_tokens for answer in (ended, stopped)] == [1, 1]
    assert [answer.HasField("matched_stop_token_id") for answer in (ended, stopped)] == [False, True]


async def test_min_tokens_and_ignore_eos_put_the_end_off(running):
    for seed in range(100):
        sampled: dict[str, Any] = {"temperature": 3.0, "seed": seed, "max_tokens": 200}
        early = await running.text_generation.Run(ask(**sampled))
        if early.finish_reason == pb.FINISH_REASON_STOP:
            break
    ended_at = early.usage.completion_tokens
    longer = await running.text_generation.Run(ask(min_tokens=ended_at, **sampled))
    assert longer.usage.completion_tokens > ended_at
    endless = await running.text_generation.Run(ask(ignore_eos=True, **sampled))
    assert (endless.finish_reason, endless.usage.completion_tokens) == (pb.FINISH_REASON_LENGTH, 200)
    assert endless.text.startswith(early.text.rstrip("\ufffd"))
