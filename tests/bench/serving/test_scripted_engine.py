"""The engine without a model, under the real service."""

import asyncio
import sys

import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb

from service.__main__ import main
from tests.support.checkpoints import save_tiny_model
from tests.support.engine_states import until
from tests.support.running_service import MODEL, config, run_service, write_catalog
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

COMMAND = (sys.executable, "-m", "bench.serving.scripted_engine")


@pytest_asyncio.fixture(params=[(), ("--steps-per-message", "4"), ("--tokens-per-s", "2000")], ids=" ".join)
async def service(request, tmp_path):
    save_tiny_model(tmp_path / "tiny", vocab_size=512, max_position_embeddings=32_768)
    save_tokenizer(tmp_path / "tiny", byte_level_tokenizer(512))
    settings = config(write_catalog(tmp_path), engine_command=(*COMMAND, *request.param), max_num_seqs=64)
    async with run_service(settings) as running:
        yield running


def question(text, max_tokens):
    params = pb.SamplingParams(max_tokens=max_tokens)
    return pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=text, raw=True), sampling_params=params)


async def test_each_of_many_requests_gets_its_prompt_repeated_to_the_length_asked_for(service):
    prompts = [f"word number {number} " for number in range(20)]
    answers = await asyncio.gather(*(service.text_generation.Run(question(prompt, 100)) for prompt in prompts))
    for prompt, answer in zip(prompts, answers, strict=True):
        assert (prompt * 10).startswith(answer.text)
        assert answer.finish_reason == pb.FINISH_REASON_LENGTH
        assert answer.usage.completion_tokens == 100


async def test_a_call_that_is_left_ends_in_the_engine_and_others_go_on(service):
    left = service.text_generation.RunStream(question("endless", 30_000))
    await left.read()
    left.cancel()
    await until(service.model.engine, lambda: not service.model.engine.num_running)
    answer = await service.text_generation.Run(question("next", 8))
    assert answer.usage.completion_tokens == 8


def test_the_command_is_split_as_a_shell_does():
    context = main.make_context("service", ["--engine-command", "python -m 'an engine'"])
    assert context.params["engine_command"] == ("python", "-m", "an engine")
