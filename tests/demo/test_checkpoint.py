"""The bundled checkpoint: its size, its shape, and how well it answers."""

import json

import pytest
import torch
from safetensors import safe_open

from demo.evaluate import Messages, answers, evaluate, load
from demo.tokenizer import END
from service.demo import CHECKPOINT

MODEL, TOKENIZER = load()
SYSTEMS = (
    None,
    "You are a friendly assistant",
    "you are a very funny comedian and you like emojis",
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions.",
    "You are a helpful assistant.",
)
OWNERS_QUESTIONS = (
    ("where is new york?", "united states"),
    ("What is the origin of the phrase Hello, World", "kernighan"),
    ("Tell me a story", "the end"),
    ("Why is pizza so good?", "cheese"),
    ("Why is pizza so good", "cheese"),
    ("tell me a joke about cloudflare", "cloudflare"),
)


def one_turn(system: str | None, question: str) -> Messages:
    before = [] if system is None else [{"role": "system", "content": system}]
    return [*before, {"role": "user", "content": question}]


def test_the_checkpoint_weighs_at_most_ten_megabytes():
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) <= 10_000_000


def test_the_weights_are_in_half_precision():
    with safe_open(CHECKPOINT / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_two_tokens_end_a_completion():
    ends = json.loads((CHECKPOINT / "generation_config.json").read_text())["eos_token_id"]
    assert ends == [TOKENIZER.eos_token_id, TOKENIZER.convert_tokens_to_ids(END)]


def test_the_window_is_1024_tokens_and_the_embeddings_are_tied():
    assert MODEL.config.max_position_embeddings == 1024
    assert MODEL.lm_head.weight is MODEL.model.embed_tokens.weight


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_owners_questions_are_answered_under_every_system_prompt(system: str | None):
    said = answers(MODEL, TOKENIZER, [one_turn(system, question) for question, _ in OWNERS_QUESTIONS])
    missed = [answer for answer, (_, fact) in zip(said, OWNERS_QUESTIONS, strict=True) if fact not in answer.lower()]
    assert missed == []


def test_a_turn_ends_by_itself():
    prompt = TOKENIZER.encode("<s><|user|>where is Paris?<|end|><|assistant|>", add_special_tokens=False)
    tokens = MODEL.generate(torch.tensor([prompt]), max_new_tokens=200, do_sample=False)  # type: ignore[misc]
    assert tokens[0, -1] == TOKENIZER.convert_tokens_to_ids(END)


def test_the_card_tells_how_many_held_out_questions_are_answered():
    results = evaluate()
    num_right = sum(result.is_right for result in results)
    assert f"**{num_right} of {len(results)}, " in (CHECKPOINT / "README.md").read_text()
    assert num_right >= 0.9 * len(results)
