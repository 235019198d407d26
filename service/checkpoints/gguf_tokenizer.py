"""A GGUF file's vocabulary as a tokenizer of the tokenizers library, as the model's own tokenizer.json has it.

transformers' converter is not used. It splits text as GPT-2 does where it does not know a vocabulary's way, and adds
tokens such as `<|endoftext|>` behind a vocabulary that has none: an id without a row in the embedding.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import GgufFile

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
"""ggml's types of tokens; the last three are found whole in a text."""

_ENDS = frozenset(
    ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>")
)
"""Control tokens that end a turn whichever of them the metadata names, as llama.cpp has them."""

_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2 = _LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "dbrx"), _LLAMA_3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN_2),
    "tekken": _TEKKEN,
}
"""How text is split before it is merged, by llama.cpp's name for it."""

_GPT_2 = ("gpt-2", "smollm")
"""Vocabularies that split as GPT-2's does; the second each digit besides."""

_WHOLE_WORDS_FIRST = ("llama-bpe", "llama3", "llama-v3", "tekken")
"""Vocabularies in which a word that is a token is this token, whichever merges there are."""

_BEGINS = ("llama-bpe", "llama3", "llama-v3")
"""Vocabularies of bytes that begin a text with their first token if the metadata does not say."""


_MAX_TOKEN_LENGTH = 1024
"""The longest token that is read; the longest known have some 128 spaces. Each of its parts is looked at."""


def gguf_tokenizer(file: GgufFile) -> Tokenizer:
    """The tokenizer of a file's model.

    Raises:
        CheckpointError: The vocabulary is of a kind that is not read, or is not whole.
    """
    kind = _text(file, "model")
    if kind not in ("gpt2", "llama"):
        raise CheckpointError(
            f"the GGUF file {file.path} has a vocabulary of kind {kind!r}; only gpt2 and llama are read: use the "
            "model's own checkpoint with its tokenizer.json"
        )
    if (length := max(map(len, _tokens(file)), default=0)) > _MAX_TOKEN_LENGTH:
        raise CheckpointError(
            f"the GGUF file {file.path} has a token of {length} characters, more than {_MAX_TOKEN_LENGTH}"
        )
    try:
        tokenizer = _byte_level(file) if kind == "gpt2" else _sentencepiece(file)
        _add_tokens(tokenizer, file)
        tokenizer.post_processor = _post_processor(file)
    except CheckpointError:
        raise
    except Exception as error:  # how the tokenizers library refuses merges of tokens that are not there
        raise CheckpointError(f"the vocabulary of the GGUF file {file.path} can't be used: {error}") from error
    return tokenizer


def special_tokens(file: GgufFile) -> dict[str, str]:
    """The tokens that transformers has names for, and takes for special whatever they are."""
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    tokens, types = _tokens(file), _types(file)
    ids = {name: file.metadata.get(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
    found = {name: it for name, it in ids.items() if isinstance(it, int) and it < len(tokens)}
    # converters name some token where a vocabulary has none: an ordinary one would be found in all texts
    return {name: tokens[it] for name, it in found.items() if types[it] != _NORMAL or name == "eos_token"}


def end_token_ids(file: GgufFile) -> set[int]:
    """The tokens that end a turn."""
    named = {file.metadata.get(f"tokenizer.ggml.{key}_token_id") for key in ("eos", "eot", "eom")}
    types = _types(file)
    known = {index for index, token in enumerate(_tokens(file)) if token in _ENDS and types[index] == _CONTROL}
    return known | {index for index in named if isinstance(index, int)}


def _byte_level(file: GgufFile) -> Tokenizer:
    """As GPT-2's: BPE over bytes, of which each is written as a character."""
    pre = _text(file, "pre")
    vocab = {token: index for index, token in enumerate(_tokens(file))}
    pairs = [tuple(merge.split(" ", 1)) for merge in _list(file, "merges")]
    model = models.BPE(vocab, [(pair[0], pair[-1]) for pair in pairs], ignore_merges=pre in _WHOLE_WORDS_FIRST)
    tokenizer = Tokenizer(model)
    if pre in _SPLITS:
        split = pre_tokenizers.Split(Regex(_SPLITS[pre]), "isolated")
        parts: list[Any] = [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    elif pre in _GPT_2:
        parts = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
        parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    else:
        raise CheckpointError(
            f"the GGUF file {file.path} splits text by {pre!r} (tokenizer.ggml.pre); known are "
            f"{', '.join((*_SPLITS, *_GPT_2))}: use the model's own checkpoint with its tokenizer.json"
        )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def _sentencepiece(file: GgufFile) -> Tokenizer:
    """As Llama 2's: SentencePiece's BPE, with a token for each byte that no piece holds."""
    is_gemma = str(file.metadata.get("general.architecture")).startswith("gemma")
    tokens = [_respelled(token) for token in _tokens(file)]
    vocab = {token: index for index, token in enumerate(tokens)}
    # Gemma's scores do not follow the order of its merges; that of its tokens does
    scores = range(0, -len(tokens), -1) if is_gemma else _numbers(file, "scores")
    unknown = special_tokens(file).get("unk_token")
    model = models.BPE(vocab, _merges(vocab, tokens, scores), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    has_prefix = bool(file.metadata.get("tokenizer.ggml.add_space_prefix", not is_gemma))
    spaced: list[Any] = [normalizers.Prepend("▁")] if has_prefix else []
    tokenizer.normalizer = normalizers.Sequence([*spaced, normalizers.Replace(" ", "▁")])
    parts: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, *([decoders.Strip(" ", 1, 0)] if has_prefix else [])])
    return tokenizer


def _respelled(token: str) -> str:
    """A token of nothing but spaces as the vocabulary has spaces."""
    return "▁" * len(token) if token and not token.strip(" ") else token


def _merges(vocab: Mapping[str, int], tokens: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The merges that make each token of two others, those of the best score first."""
    found = sorted(
        (-scores[index], len(left), len(token) - len(left), left, token[len(left) :])
        for index, token in enumerate(tokens)
        for left in _lefts(vocab, token)
    )
    return [(left, right) for *_, left, right in found]


def _lefts(vocab: Mapping[str, int], token: str) -> Iterator[str]:
    for length in range(1, len(token)):
        if token[:length] in vocab and token[length:] in vocab:
            yield token[:length]


def _add_tokens(tokenizer: Tokenizer, file: GgufFile) -> None:
    """Has tokens found whole that the file marks so: those that control, and those that somebody has defined."""
    pairs = list(zip(_tokens(file), _types(file), strict=True))
    special = [token for token, kind in pairs if token and kind in (_CONTROL, _UNKNOWN)]
    plain = [token for token, kind in pairs if token and kind == _USER_DEFINED and _respelled(token) == token]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in plain])


def _post_processor(file: GgufFile) -> Any:
    """Puts the first and the last token around a text, if the model has them there."""
    begins = _text(file, "model") == "llama" or _text(file, "pre") in _BEGINS
    named = special_tokens(file)
    first = named.get("bos_token") if file.metadata.get("tokenizer.ggml.add_bos_token", begins) else None
    last = named.get("eos_token") if file.metadata.get("tokenizer.ggml.add_eos_token", False) else None
    around = {token: _tokens(file).index(token) for token in (first, last) if token}
    single = " ".join(filter(None, (first, "$A", last)))
    return processors.TemplateProcessing(single=single, special_tokens=list(around.items()))


def _tokens(file: GgufFile) -> list[str]:
    return _list(file, "tokens")


def _types(file: GgufFile) -> list[int]:
    return [int(kind) for kind in _numbers(file, "token_type")]


def _list(file: GgufFile, name: str) -> list[str]:
    value = file.metadata.get(f"tokenizer.ggml.{name}")
    if not isinstance(value, list):
        raise CheckpointError(f"the GGUF file {file.path} has no tokenizer.ggml.{name}: its vocabulary is not whole")
    return value


def _numbers(file: GgufFile, name: str) -> Sequence[float]:
    value = file.metadata.get(f"tokenizer.ggml.{name}", ())
    if len(value) != len(_tokens(file)):
        raise CheckpointError(f"the GGUF file {file.path} has {len(value)} tokenizer.ggml.{name} for its tokens")
    return list(map(float, value))


def _text(file: GgufFile, name: str) -> str:
    return str(file.metadata.get(f"tokenizer.ggml.{name}", ""))
