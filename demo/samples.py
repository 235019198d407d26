"""Conversations as token ids, and batches of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from demo.corpus import Conversation
from demo.tokenizer import CONTEXT_WINDOW, END

_POOL = 3000


@dataclass(frozen=True)
class Sample:
    """One conversation as the model reads it.

    Attributes:
        token_ids: At most one context window of tokens.
        is_learned: For each token, whether the model must learn to write it.
    """

    token_ids: list[int]
    is_learned: list[bool]


@dataclass(frozen=True)
class Batch:
    """Samples of similar length, padded at their ends.

    Attributes:
        token_ids: Samples x tokens, int64.
        positions: Where in the flattened samples the predictions count, int64.
        targets: The token that follows each of these positions, int64.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor


def chat_messages(conversation: Conversation) -> list[dict[str, str]]:
    """The conversation as the chat template takes it."""
    messages = [{"role": "system", "content": conversation.system}] if conversation.system is not None else []
    for turn in conversation.turns:
        messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.answer}]
    return messages


class Encoder:
    """Writes conversations as the chat template does, knowing which tokens are the assistant's."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._bos, self._eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._end = tokenizer.convert_tokens_to_ids(END)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def encode(self, conversation: Conversation) -> Sample:
        """The conversation's tokens, cut at the context window."""
        return self._raw(conversation) if conversation.is_raw else self._chat(conversation)

    def _raw(self, conversation: Conversation) -> Sample:
        lines = [line for turn in conversation.turns for line in (turn.question, turn.answer) if line]
        ids = [*self._ids("\n".join(lines)), self._eos]
        return _cut([self._bos, *ids], [False, *[True] * len(ids)])

    def _chat(self, conversation: Conversation) -> Sample:
        ids, learned = [self._bos], [False]
        for message in chat_messages(conversation):
            role = self._tokenizer.convert_tokens_to_ids(f"<|{message['role']}|>")
            content = self._ids(message["content"].strip())
            ids += [role, *content, self._end]
            is_answer = message["role"] == "assistant"
            learned += [False, *[is_answer] * (len(content) + 1)]
        return _cut(ids, learned)


def _cut(token_ids: list[int], is_learned: list[bool]) -> Sample:
    return Sample(token_ids[:CONTEXT_WINDOW], is_learned[:CONTEXT_WINDOW])


def _batch(samples: Sequence[Sample], pad_id: int) -> Batch:
    width = max(len(sample.token_ids) for sample in samples)
    ids = torch.tensor([s.token_ids + [pad_id] * (width - len(s.token_ids)) for s in samples])
    learned = torch.tensor([s.is_learned + [False] * (width - len(s.is_learned)) for s in samples])
    next_learned = torch.zeros_like(learned)
    next_learned[:, :-1] = learned[:, 1:]
    positions = next_learned.flatten().nonzero().squeeze(1)
    return Batch(ids, positions, ids.flatten()[positions + 1])


def _filled(samples: Sequence[Sample], num_tokens: int) -> Iterator[list[Sample]]:
    """Runs of samples, shortest first, that fill at most `num_tokens` with their padding."""
    run: list[Sample] = []
    for sample in sorted(samples, key=lambda sample: len(sample.token_ids)):
        if run and len(sample.token_ids) * (len(run) + 1) > num_tokens:
            yield run
            run = []
        run.append(sample)
    if run:
        yield run


def batches(samples: Sequence[Sample], num_tokens: int, pad_id: int, seed: int) -> list[Batch]:
    """All samples in batches of at most `num_tokens`, in the same order for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    pools = [samples[start : start + _POOL] for start in range(0, len(samples), _POOL)]
    ordered: list[Batch] = []
    for pool in pools:
        runs = list(_filled(pool, num_tokens))
        rng.shuffle(runs)
        ordered += [_batch(run, pad_id) for run in runs]
    return ordered
