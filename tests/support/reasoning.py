"""Tiny models that think: their templates behave as Qwen3's and DeepSeek-R1's do, and they always write one script."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tests.support.checkpoints import tiny_model
from tests.support.tokenizers import byte_level_tokenizer

QWEN3 = """\
{%- for message in messages %}
    {%- set said = message.content %}
    {%- if message.role == 'assistant' and message.reasoning_content and loop.last %}
        {%- set thought = message.reasoning_content.strip('\\n') %}
        {%- set said = '<think>\\n' + thought + '\\n</think>\\n\\n' + said.lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + said + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

R1 = """\
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{ '<|User|>' + message.content }}{% endif %}
    {%- if message.role == 'assistant' %}
        {{- '<|Assistant|>' + message.content.split('</think>')[-1] + '<|end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"""

TEMPLATES = {"qwen3": QWEN3, "r1": R1}

_SPECIAL = ["<|im_start|>", "<|im_end|>", "<|User|>", "<|Assistant|>", "<|end|>"]
_ADDED = ["<think>", "</think>", "\n\n"]
_SCRIPT = (" ", "h", "m", ".", "</think>", "\n\n", "A", "n", "s", "w", "e", "r", "<|im_end|>")

THOUGHT, ANSWER = "hm.", "Answer"
"""What they think and say; the white space around it they write too."""

NUM_THINKING_TOKENS = {"qwen3": 6, "r1": 5}
"""With both markers, as far as the model writes them."""

CATALOG = "".join(
    f"""
[models."@test/{name}"]
description = "A model that thinks, as {name} does."
checkpoint = "./{name}"
dtype = "float32"
max_prompt_tokens = 900
max_completion_tokens = 900
context_window = 1024
default_max_tokens = 64
default_max_tokens_streamed = 64
"""
    for name in TEMPLATES
)


def tokenizer_that_thinks() -> Tokenizer:
    """With tokens for the markers, which are no special ones, as Qwen3's."""
    tokenizer = byte_level_tokenizer(512)
    tokenizer.add_special_tokens(_SPECIAL)
    tokenizer.add_tokens(_ADDED)
    return tokenizer


def save_models(folder: Path) -> Path:
    """Saves a model with each template, and a catalog of them, whose path it returns."""
    for name in TEMPLATES:
        save_model(folder / name, name)
    catalog = folder / "catalog.toml"
    catalog.write_text(CATALOG)
    return catalog


def save_model(folder: Path, name: str) -> Path:
    """Saves the model with a template, which writes the script behind the template's last token."""
    tokenizer = tokenizer_that_thinks()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>")
    fast.chat_template = TEMPLATES[name]
    fast.save_pretrained(folder)
    beginning = ("\n", "<think>") if name == "qwen3" else ("\n",)
    ids = [_token_id(tokenizer, token) for token in (*beginning, *_SCRIPT)]
    model = tiny_model(vocab_size=tokenizer.get_vocab_size(), eos_token_id=ids[-1])
    write_script(model, ids)
    model.save_pretrained(folder)
    return folder


def _token_id(tokenizer: Tokenizer, text: str) -> int:
    added = tokenizer.token_to_id(text)
    (token_id,) = tokenizer.encode(text, add_special_tokens=False).ids if added is None else [added]
    return token_id


@torch.no_grad()
def write_script(model: PreTrainedModel, ids: Sequence[int]) -> None:
    """Lets each token be followed by the next one, whatever stands before it."""
    for name, parameter in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter.zero_()
        elif name == "model.norm.weight":
            parameter.fill_(1.0)
    weights = dict(model.named_parameters())
    embedding, head = weights["model.embed_tokens.weight"], weights["lm_head.weight"]
    rows = torch.randn(embedding.shape).sign()
    embedding.copy_(rows)
    head.zero_()
    for before, behind in itertools.pairwise(ids):
        head[behind] = rows[before]
