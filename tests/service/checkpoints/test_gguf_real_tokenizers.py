"""Vocabularies of published models, written into GGUF files as llama.cpp's converter does, encode as their own ones."""

import json
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import pytest
from gguf import GGUFWriter
from tokenizers import Tokenizer

from service.checkpoints.tokenizer import load_tokenizer
from tests.support.gguf_checkpoints import finish, write_byte_level, write_sentencepiece
from tests.support.real_tokenizers import GEMMA_3, QWEN_3, llama_2, llama_3_1, published

FIRST_PIECES = 20_000
TEXTS = [
    "Hello, world! It's 2024, and 1234567 people can't agree.",
    "  two  spaces\n\n\n\tlines  \n and\u00a0more ",
    "Fix: <p><s>old</s> new</p> <table><tr></tr></table>",
    "<|eot_id|><|im_start|>user\nhi<|im_end|><start_of_turn>model\n<end_of_turn><think>no</think>",
    "你好 🙂 où est ﬁne ＜s＞ e\u0301 Straße Ελλάδα עברית हिन्दी",
    "def f(x):\n    return x ** 2  # comment\n",
    "<0x0A> ▁<s>▁ \\u003cs\\u003e",
]


def of_package(package: str) -> Callable[[], Tokenizer]:
    return lambda: Tokenizer.from_file(str(published(package) / "tokenizer.json"))


REAL: dict[str, tuple[Callable[[], Tokenizer], str, str]] = {
    "Llama 3.1": (llama_3_1, "llama", "llama-bpe"),
    "Qwen 3": (of_package(QWEN_3), "qwen3", "qwen2"),
    "Llama 2": (llama_2, "llama", ""),
    "Gemma 3": (of_package(GEMMA_3), "gemma3", ""),
}


def smaller(tokenizer: Tokenizer) -> Tokenizer:
    """One with its first pieces, its characters and its special tokens; a file of all takes many seconds to read."""
    whole = json.loads(tokenizer.to_str())
    vocab, added = whole["model"]["vocab"], {token["content"] for token in whole["added_tokens"]}
    all_pieces = vocab | {token["content"]: token["id"] for token in whole["added_tokens"]}
    pieces = sorted(all_pieces.items(), key=itemgetter(1))
    kept = [piece for piece, token_id in pieces if token_id < FIRST_PIECES or len(piece) == 1 or piece in added]
    new_ids = {piece: token_id for token_id, piece in enumerate(kept)}
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in whole["model"]["merges"]]
    whole["model"]["merges"] = [pair for pair in pairs if {*pair, "".join(pair)} <= new_ids.keys()]
    whole["model"]["vocab"] = {piece: token_id for piece, token_id in new_ids.items() if piece in vocab}
    for token in whole["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    return Tokenizer.from_str(json.dumps(whole))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("size", [smaller, pytest.param(lambda whole: whole, id="whole", marks=pytest.mark.stress)])
def test_texts_are_encoded_and_decoded_as_by_the_models_own_tokenizer(
    tmp_path: Path, name: str, size: Callable[[Tokenizer], Tokenizer]
) -> None:
    make, architecture, pre = REAL[name]
    theirs, path = size(make()), tmp_path / "model.gguf"
    writer = GGUFWriter(path, architecture)
    if pre:
        write_byte_level(writer, theirs, pre)
    else:
        write_sentencepiece(writer, theirs)
    finish(writer)
    ours: Tokenizer = load_tokenizer(path).backend_tokenizer
    for text in TEXTS:
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert (
            ours.encode(text, add_special_tokens=False).tokens == theirs.encode(text, add_special_tokens=False).tokens
        )
        assert ours.decode(ids, skip_special_tokens=False) == theirs.decode(ids, skip_special_tokens=False)
    assert ours.get_vocab_size() == theirs.get_vocab_size()
