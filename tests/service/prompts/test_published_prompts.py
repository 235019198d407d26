"""Prompts for Meta's models, token by token, beside the texts that Meta has published."""

from pathlib import Path

import pytest

from tests.support.published_templates import (
    ASSISTANT,
    CODE_LLAMA,
    LLAMA_2,
    LLAMA_3,
    SYSTEM,
    USER,
    Turns,
    conversation,
    load,
)
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer

TURNS: Turns = [
    (SYSTEM, "{{ system_prompt }}"),
    (USER, "{{ user_message_1 }}"),
    (ASSISTANT, "{{ model_answer_1 }}"),
    (USER, "{{ user_message_2 }}"),
]
GOLDEN = Path(__file__).with_name("golden_prompts")
"""Prompts as Meta has published them (https://www.llama.com/docs/model-cards-and-prompt-formats/, meta-llama-2 and
llama3_1), but for two things: the line break that the first shows between turns and Meta's code does not write, and the
date of the second, which is the one that its chat template has by default.
"""


@pytest.mark.parametrize(
    ("model_id", "file"), [(LLAMA_2, "llama-2.txt"), (CODE_LLAMA, "llama-2.txt"), (LLAMA_3, "llama-3.1.txt")]
)
async def test_metas_models_get_the_prompt_that_meta_has_published(tmp_path: Path, model_id: str, file: str) -> None:
    published = (GOLDEN / file).read_text().removesuffix("\n")
    tokenizer = byte_fallback_tokenizer(512) if file == "llama-2.txt" else byte_level_tokenizer(512)
    if file == "llama-3.1.txt":
        published = published.removeprefix("<|begin_of_text|>")
        tokenizer.add_special_tokens([f"<|{name}|>" for name in ("start_header_id", "end_header_id", "eot_id")])
    chat = load(tmp_path, model_id, tokenizer)
    expected = tokenizer.encode(published, add_special_tokens=False).ids
    token_ids = await chat.encode(conversation(TURNS))
    assert token_ids[-len(expected) :] == expected
    assert token_ids[: -len(expected)] == ([] if file == "llama-2.txt" else [1])
