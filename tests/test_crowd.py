"""Many clients at once: each gets what it would get alone, and one that leaves takes nothing from the others."""

import asyncio
import json
import random

import pytest
import torch
from tokenizers import Tokenizer

from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import BLOCK_SIZE
from tests.support.whole_chain import LONG, read_events

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPT_LENGTHS = [1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 200, 333, 511, 640, 800]
MAX_TOKENS = [24, 1, 60, 5, 33, 16, 17, 40, 2, 48, 12, 30, 64, 8, 20, 25]


@pytest.fixture(scope="module")
def tokenizer(chain_catalog):
    """The checkpoint's tokenizer, as its file has it."""
    return Tokenizer.from_file(str(chain_catalog.parent / "tiny" / "tokenizer.json"))


@pytest.fixture(scope="module")
def alone(chain_catalog, tokenizer):
    """What transformers' own `generate` makes of a prompt: the text and the number of its tokens."""
    model = load_model(chain_catalog.parent / "tiny", "cpu", "float32")

    def generate(prompt_token_ids, max_tokens):
        prompt = torch.tensor([prompt_token_ids])
        output = model.generate(  # type: ignore[operator]
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=max_tokens, do_sample=False, pad_token_id=0
        )
        token_ids = output[0, len(prompt_token_ids) :].tolist()
        return tokenizer.decode(token_ids, skip_special_tokens=True), len(token_ids)

    return generate


def raw_prompt(tokenizer, num_tokens):
    """A text of exactly that many tokens, the first of which is the one that begins a text."""
    source = random.Random(num_tokens)
    text = "<s>"
    while len(ids := tokenizer.encode(text, add_special_tokens=False).ids) < num_tokens:
        text += source.choice("abcdefghijklmnopqrstuvwxyz .,?")
    assert len(ids) == num_tokens
    return text


async def answer(chain, body, is_streamed):
    """The text and the token counts of a request over REST."""
    got = await chain.ask(**body, stream=is_streamed)
    assert got.status == 200
    if is_streamed:
        events = read_events(got.body)
        return "".join(events.texts), events.usage
    result = json.loads(got.body)["result"]
    return result["response"], result["usage"]


async def ask_all(chain, tokenizer):
    """Sixteen requests of all lengths at once, half of them streamed: each body with its answer."""
    prompts = [raw_prompt(tokenizer, length) for length in PROMPT_LENGTHS]
    bodies = [
        {"prompt": prompt, "raw": True, "temperature": 0, "max_tokens": max_tokens}
        for prompt, max_tokens in zip(prompts, MAX_TOKENS, strict=True)
    ]
    answers = await asyncio.gather(*(answer(chain, body, place % 2 == 0) for place, body in enumerate(bodies)))
    return list(zip(bodies, answers, strict=True))


def check_all(asked, tokenizer, alone):
    """Compares each answer with what its request gets alone."""
    for body, (text, usage) in asked:
        prompt_token_ids = tokenizer.encode(body["prompt"], add_special_tokens=False).ids
        expected, num_tokens = alone(prompt_token_ids, body["max_tokens"])
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (len(prompt_token_ids), num_tokens)
        assert text == expected


async def test_sixteen_clients_at_once_each_get_what_they_would_get_alone(chain, tokenizer, alone):
    chain.steps.clear()
    asked = await ask_all(chain, tokenizer)
    assert max(step.num_running for step in chain.steps) > 1
    check_all(asked, tokenizer, alone)


async def test_clients_that_leave_change_nothing_for_those_that_stay(chain, tokenizer, alone):
    async def leave_early():
        (await chain.begin(**LONG)).close()

    asked, *_ = await asyncio.gather(ask_all(chain, tokenizer), *(leave_early() for _ in range(4)))
    check_all(asked, tokenizer, alone)


async def test_a_client_that_hangs_up_frees_its_blocks_within_one_step(chain):
    leaving = await chain.begin(**LONG)
    with chain.frozen_engine():
        leaving.close()
        await chain.until_dropped()
        (left,) = chain.steps[-1].outputs
        chain.steps.clear()
    await chain.until(lambda: any(step.aborted for step in chain.steps))
    acknowledged = chain.steps[-1]
    assert acknowledged.aborted == [left.id]
    assert acknowledged.outputs == [], "the step after the engine has read the abort runs without it"
    assert acknowledged.num_free_blocks * BLOCK_SIZE == chain.engine.info.num_kv_tokens
    assert len(chain.steps) < 100, "the abort overtakes what is left to generate"
