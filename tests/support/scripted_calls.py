"""Tiny models of families that call tools: their templates behave as the published ones, and they write one answer."""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from tests.support.checkpoints import tiny_model
from tests.support.reasoning import write_script
from tests.support.tokenizers import byte_level_tokenizer

_TEMPLATES = Path(__file__).resolve().parent.parent / "service" / "prompts" / "templates"

_CATALOG = """
[models."@test/{name}"]
description = "A model that calls, as {name} does."
checkpoint = "./{name}"
dtype = "float32"
max_prompt_tokens = 1900
max_completion_tokens = 1900
context_window = 2048
default_max_tokens = 64
default_max_tokens_streamed = 64
"""


@dataclass(frozen=True)
class Script:
    """What a model writes.

    Attributes:
        template: The name of its chat template.
        last: The last token of a prompt.
        special: Tokens that are no part of the text.
        pieces: The tokens of its answer, each another one.
        said: What it says before its calls.
    """

    template: str
    last: str
    special: tuple[str, ...]
    pieces: tuple[str, ...]
    said: str = ""


_JSON = ('{"ci', 'ty": "Pa', "ris", '", "da', 'ys": 4}')
SCRIPTS = {
    "qwen": Script(
        "qwen",
        "\n",
        ("<|im_start|>", "<|im_end|>"),
        (
            *("I ", "look.", "\n\n", "<tool_call>", '\n{"na', 'me": "get_', 'weather", "arguments": ', *_JSON),
            *("}\n", "</tool_call>", "<|im_end|>"),
        ),
        "I look.",
    ),
    "mistral": Script(
        "mistral_v13",
        "[/INST]",
        ("[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "<|im_end|>"),
        ("I ", "look.", "[TOOL_CALLS]", "get_wea", "ther", "[ARGS]", *_JSON, "<|im_end|>"),
        "I look.",
    ),
    "llama-pythonic": Script(
        "llama_pythonic",
        "\n\n",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ("[get_", "weather(ci", 'ty="Pa', "ris", '", da', "ys=4)", "]", "<|eot_id|>"),
    ),
}


def save_models(folder: Path) -> Path:
    """Saves the models, and a catalog of them, whose path it returns."""
    for name, script in SCRIPTS.items():
        _save(folder / name, script)
    catalog = folder / "catalog.toml"
    catalog.write_text("".join(_CATALOG.format(name=name) for name in SCRIPTS))
    return catalog


def _save(folder: Path, script: Script) -> None:
    tokenizer = byte_level_tokenizer(512)
    tokenizer.add_special_tokens(list(script.special))
    pieces = [piece for piece in (script.last, *script.pieces) if piece not in script.special]
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token=script.pieces[-1])
    fast.chat_template = (_TEMPLATES / f"{script.template}.jinja").read_text()
    fast.save_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    ids = [vocabulary[piece] for piece in (script.last, *script.pieces)]
    model = tiny_model(vocab_size=tokenizer.get_vocab_size(), eos_token_id=ids[-1])
    write_script(model, ids)
    model.save_pretrained(folder)
