"""The demo model's tokenizer: every text survives it, and the chat template refuses what it does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

from demo.tokenizer import SPECIAL_TOKENS
from service.demo import CHECKPOINT

TOKENIZER = AutoTokenizer.from_pretrained(CHECKPOINT)


def rendered(*messages: tuple[str, str], add_generation_prompt: bool = True) -> str:
    talk = [{"role": role, "content": content} for role, content in messages]
    return str(TOKENIZER.apply_chat_template(talk, tokenize=False, add_generation_prompt=add_generation_prompt))


@given(st.text())
def test_any_text_decodes_to_itself(text: str):
    token_ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(token_ids) == text


@pytest.mark.parametrize(
    "text", ["  two  spaces ", "▁", "東京 🙂👨‍👩‍👧 café", "a\tb\r\n\n", "<0x41>", "नमस्ते", "12 345"]
)
def test_hard_texts_decode_to_themselves(text: str):
    assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False)) == text


def test_a_raw_prompt_begins_with_bos_once():
    assert TOKENIZER.encode("New York").count(TOKENIZER.bos_token_id) == 1


def test_a_rendered_conversation_has_bos_once():
    token_ids = TOKENIZER.encode(rendered(("user", "hello")), add_special_tokens=False)
    assert token_ids.count(TOKENIZER.bos_token_id) == 1
    assert token_ids[0] == TOKENIZER.bos_token_id


def test_a_conversation_ends_with_the_assistants_turn_open():
    assert rendered(("user", " hi ")) == "<s><|user|>hi<|end|><|assistant|>"


def test_roles_may_repeat_and_the_assistant_may_be_last():
    text = rendered(("user", "a"), ("user", "b"), ("assistant", "c"), add_generation_prompt=False)
    assert text == "<s><|user|>a<|end|><|user|>b<|end|><|assistant|>c<|end|>"


def test_an_unknown_role_is_refused_by_name():
    with pytest.raises(TemplateError, match="not 'tool'"):
        rendered(("tool", "42"))


def test_every_special_token_is_one_token():
    assert all(len(TOKENIZER.encode(token, add_special_tokens=False)) == 1 for token in SPECIAL_TOKENS)
