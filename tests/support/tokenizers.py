"""Tiny tokenizers of the two kinds that language models have, in transformers' own format."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SENTENCES = [
    "Where is New York? New York is in the north-east of the United States.",
    "The origin of the phrase Hello, World is a book about the language C.",
    "Tell me a story about a dragon, a river and two old friends.",
    "Ich weiß nicht, was soll es bedeuten; où est la bibliothèque?",
    "你好,世界。こんにちは世界。",
]

CHAT_TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('Only system, user and assistant roles are supported') }}
    {%- endif %}
    {{- message.role + ': ' + message.content | trim }}
    {%- if message.role == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"""


def byte_fallback_tokenizer(vocab_size: int = 320) -> Tokenizer:
    """As Llama 2's: SentencePiece's BPE, with a token for each byte that no piece holds."""
    special = ["<unk>", "<s>", "</s>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    num_learned = vocab_size - 256
    trained.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=num_learned, special_tokens=special, show_progress=False)
    )
    # the trainer can't know the byte tokens, which are no special tokens and stand behind those
    learned = json.loads(trained.to_str())["model"]
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [token for token in sorted(learned["vocab"], key=learned["vocab"].get) if token not in special]
    vocab = {token: index for index, token in enumerate(tokens)}
    merges = [tuple(merge) for merge in learned["merges"]]
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = trained.normalizer
    fallback = [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *fallback])
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def sentencepiece_tokenizers(vocab_size: int = 320) -> dict[str, Tokenizer]:
    """One vocabulary with each of the ways in which checkpoints add leading spaces and take them away again."""
    styles = {name: byte_fallback_tokenizer(vocab_size) for name in ("legacy", "not legacy", "gemma", "metaspace")}
    styles["not legacy"].normalizer = normalizers.Sequence([])
    styles["not legacy"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    styles["gemma"].normalizer = normalizers.Replace(" ", "▁")
    styles["gemma"].decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    styles["metaspace"].normalizer = normalizers.Sequence([])
    styles["metaspace"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    styles["metaspace"].decoder = decoders.Metaspace(prepend_scheme="always")
    return styles


def byte_level_tokenizer(vocab_size: int = 320) -> Tokenizer:
    """As GPT-2's and Llama 3's: BPE over bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def save_tokenizer(
    folder: Path,
    tokenizer: Tokenizer,
    chat_template: str | None = CHAT_TEMPLATE,
    eos_token: str | None = "</s>",
    bos_token: str = "<s>",
) -> Path:
    """Saves tokenizer.json and tokenizer_config.json with a chat template and returns their folder."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos_token, eos_token=eos_token)
    fast.chat_template = chat_template
    fast.save_pretrained(folder)
    return folder
