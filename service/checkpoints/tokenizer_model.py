"""A checkpoint's tokenizer.model as a tokenizer.json, by transformers' converters, which need no torch.

The file is SentencePiece's, as Llama 2, Mistral, Phi-3 and Gemma have it, or the ranks of Llama 3 in tiktoken's form.
What was made of it is kept in the user's cache under the hash of all that it depends on, so it is made once.
"""

import base64
import binascii
import hashlib
import importlib
import json
import logging
import os
import re
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import read_json

TOKENIZER_MODEL = "tokenizer.model"

_log = logging.getLogger(__name__)

_MAX_BYTES = 64 << 20
"""The largest file that is read; Gemma's has 4 MB."""

_MAX_TOKEN_LENGTH = 1024
"""The longest token that is read; the longest known have some 128 spaces."""

_MORE_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "config.json",
)
_RANK = re.compile(rb"[A-Za-z0-9+/]+=* \d+")

_GEMMA = "GemmaTokenizer"
_CLASSES = ("LlamaTokenizer", "CodeLlamaTokenizer", _GEMMA)
_CLASS_OF_TYPE = {"gemma": _GEMMA, **dict.fromkeys(("llama", "mistral", "mixtral", "phi3"), _CLASSES[0])}
"""The class by how a `model_type` begins, for a checkpoint whose tokenizer_config.json names none."""

_NUM_LLAMA_3 = 128_000
_LLAMA_3 = (
    *("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>"),
    *("<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>"),
    *("<|eot_id|>", "<|python_tag|>", "<|image|>"),
    *(f"<|reserved_special_token_{index}|>" for index in range(2, 246)),
)
"""Special tokens behind the ranks, as Meta's own tokenizer for Llama 3 has them."""

_ADVICE = (
    "make a tokenizer.json where the model's own tools are: "
    "transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
)


def has_tokenizer(folder: Path) -> bool:
    """Tells if a checkpoint has its tokenizer in a form that is read."""
    return any((folder / name).is_file() for name in ("tokenizer.json", TOKENIZER_MODEL))


def with_tokenizer_json(folder: Path) -> Path:
    """The folder that has a checkpoint's tokenizer as tokenizer.json: its own, or the one that was made of it.

    Raises:
        CheckpointError: It has no tokenizer in a form that is read.
        OSError: A file can't be read.
    """
    if (folder / "tokenizer.json").is_file():
        return folder
    if not (folder / TOKENIZER_MODEL).is_file():
        raise CheckpointError(
            f"{folder} has neither tokenizer.json nor {TOKENIZER_MODEL}, the forms of a tokenizer that are read: "
            f"{_ADVICE}"
        )
    target = _cache() / _hash(folder)
    if not (target / "tokenizer.json").is_file():
        target = _kept(*_converted(folder), target)
    return target


def _kept(tokenizer: Any, merges: list[tuple[str, str]] | None, target: Path) -> Path:
    """Writes a tokenizer to where it is found again; if that can't be written, to a folder of this process's own."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
    except OSError as error:
        _log.warning("%s can't be written, so the tokenizer is made anew at each load: %s", target.parent, error)
        target = partial = Path(tempfile.mkdtemp(prefix="runstream-tokenizer-"))
    tokenizer.save_pretrained(partial)
    if merges is not None:
        path = partial / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["model"]["merges"] = merges
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    if partial != target:
        try:
            partial.rename(target)
        except OSError:  # another process has made it meanwhile
            shutil.rmtree(partial)
    return target


def _converted(folder: Path) -> tuple[Any, list[tuple[str, str]] | None]:
    """transformers' tokenizer of a folder without a tokenizer.json, and the merges that it should have, if others."""
    path = folder / TOKENIZER_MODEL
    content = path.read_bytes()
    if not content:
        raise CheckpointError(f"{path} is empty; {_ADVICE}")
    _log.info("making a tokenizer.json of %s", path)
    settings = _settings(folder / "tokenizer_config.json")
    try:
        if _RANK.match(content):
            return _from_ranks(folder, content, settings), None
        return _from_sentencepiece(folder, settings)
    except CheckpointError:
        raise
    except Exception as error:  # the parsers of protobuf and of the tokenizers library each have errors of their own
        raise CheckpointError(f"{path} is no tokenizer that can be read: {error}; {_ADVICE}") from error


def _from_sentencepiece(folder: Path, settings: dict[str, Any]) -> tuple[Any, list[tuple[str, str]] | None]:
    import transformers

    protobuf: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    named = str(settings.get("tokenizer_class") or "").removesuffix("Fast")
    if not named:
        kind = str(_settings(folder / "config.json").get("model_type"))
        named = next((name for beginning, name in _CLASS_OF_TYPE.items() if kind.startswith(beginning)), kind)
    if named not in _CLASSES:
        raise CheckpointError(
            f"the {TOKENIZER_MODEL} of {folder} is for {named}; only {', '.join(_CLASSES)} are read from it: {_ADVICE}"
        )
    proto = protobuf.ModelProto.FromString((folder / TOKENIZER_MODEL).read_bytes())
    if proto.trainer_spec.model_type != protobuf.TrainerSpec.BPE:
        raise CheckpointError(f"the {TOKENIZER_MODEL} of {folder} is no BPE, which {named} needs: {_ADVICE}")
    _check_length(max((len(piece.piece) for piece in proto.pieces), default=0))
    tokenizer = getattr(transformers, named).from_pretrained(folder, local_files_only=True)
    return tokenizer, None if named == _GEMMA else _merges(proto)


def _merges(proto: Any) -> list[tuple[str, str]]:
    """The merges that make each piece of two others, those of the best score first, as SentencePiece merges.

    transformers 5 takes them in the order of the pieces, which differs for runs of spaces. Of Gemma that is the order.
    """
    from transformers.convert_slow_tokenizer import generate_merges

    vocab = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    merges: list[tuple[str, str]] = generate_merges(vocab, {piece.piece: piece.score for piece in proto.pieces})
    return merges


def _from_ranks(folder: Path, content: bytes, settings: dict[str, Any]) -> Any:
    """Llama 3's: BPE over bytes, whose ranks are in the file and whose special tokens are known."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    ranks = _ranks(content)
    if len(ranks) != _NUM_LLAMA_3:
        raise CheckpointError(
            f"the {TOKENIZER_MODEL} of {folder} has {len(ranks)} ranks in tiktoken's form; only Llama 3's "
            f"{_NUM_LLAMA_3} are known, as the file does not tell how text is split: {_ADVICE}"
        )

    class Converter(TikTokenConverter):
        """tiktoken's own reader would keep files by their path in a folder for all."""

        @staticmethod
        def load_tiktoken_bpe(tiktoken_url: str) -> dict[bytes, int]:
            return ranks

    converter: Any = Converter
    backend = converter(extra_special_tokens=list(_LLAMA_3)).converted()
    first = _LLAMA_3[0]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, backend.token_to_id(first))]
    )
    template = folder / "chat_template.jinja"
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_object=backend,
        bos_token=first,
        eos_token=_end_token(settings) if _end_token(settings) in _LLAMA_3 else _LLAMA_3[1],
        chat_template=template.read_text(encoding="utf-8") if template.is_file() else settings.get("chat_template"),
    )


def _check_length(length: int) -> None:
    """Refuses a token that would take the converters hours, who look at each of its parts."""
    if length > _MAX_TOKEN_LENGTH:
        raise CheckpointError(f"a token of {TOKENIZER_MODEL} has {length} characters, more than {_MAX_TOKEN_LENGTH}")


def _end_token(settings: dict[str, Any]) -> str:
    named = settings.get("eos_token")
    return str(named.get("content") if isinstance(named, dict) else named)


def _ranks(content: bytes) -> dict[bytes, int]:
    """Each token's rank: a line has its bytes in base64 and its number, which counts up from 0.

    Raises:
        CheckpointError: A line has something else.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines()):
        if not _RANK.fullmatch(line):
            raise CheckpointError(f"line {number + 1} of {TOKENIZER_MODEL} is no token with its rank")
        token, _, rank = line.partition(b" ")
        try:
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except binascii.Error as error:
            raise CheckpointError(f"line {number + 1} of {TOKENIZER_MODEL} is not base64") from error
    _check_length(max(map(len, ranks), default=0))
    if sorted(ranks.values()) != list(range(len(ranks))):
        raise CheckpointError(f"the ranks of {TOKENIZER_MODEL} are not those of {len(ranks)} tokens")
    return ranks


def _hash(folder: Path) -> str:
    """A name for what is made of these files by these versions."""
    found = hashlib.sha256(f"1 {version('transformers')} {version('tokenizers')}".encode())
    for name in (TOKENIZER_MODEL, *_MORE_FILES):
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(f"{path} is larger than {_MAX_BYTES >> 20} MiB, which no tokenizer is")
        content = path.read_bytes()
        found.update(f"{name} {len(content)} ".encode() + content)
    return found.hexdigest()


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "runstream" / "tokenizers"


def _settings(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
