"""The demo model's tokenizer: byte-pair encoding that falls back to bytes, so that any text survives it exactly."""

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

UNK, BOS, EOS = "<unk>", "<s>", "</s>"
SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = (UNK, BOS, EOS, SYSTEM, USER, ASSISTANT, END)
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
VOCAB_SIZE = 4096
CONTEXT_WINDOW = 1024

# A word takes the space before it, and so does a digit. Each digit is a token: sums are learned digit by digit.
_PIECES = Regex(r" ?\d|\n| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s")

CHAT_TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
    {%- if message['role'] not in ('system', 'user', 'assistant') %}
        {{- raise_exception("role must be system, user or assistant, not '" ~ message['role'] ~ "'") }}
    {%- endif %}
    {{- '<|' ~ message['role'] ~ '|>' ~ message['content'] | trim ~ '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""


def _learn_merges(texts: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The characters and merged pieces of the texts, most frequent first, and the merges that lead to them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_PIECES, behavior="isolated")
    size = VOCAB_SIZE - len(SPECIAL_TOKENS) - len(BYTE_TOKENS)
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=3, limit_alphabet=400, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return pieces, [(left, right) for left, right in model["merges"]]


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer for texts like these, with the chat template. The same texts give the same tokenizer."""
    pieces, merges = _learn_merges(texts)
    vocab = {piece: index for index, piece in enumerate((*SPECIAL_TOKENS, *BYTE_TOKENS, *pieces))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_PIECES, behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, vocab[BOS])])
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, unk_token=UNK, pad_token=EOS,
        clean_up_tokenization_spaces=False, model_max_length=CONTEXT_WINDOW,
    )  # fmt: skip
    fast.chat_template = CHAT_TEMPLATE
    return fast
