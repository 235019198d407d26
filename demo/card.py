"""The model card, written from what was measured."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Protocol

_CARD = Template("""\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# @runstream/demo

A toy. It is a Llama-architecture model of $parameters parameters, trained from nothing in minutes on a CPU, so that
Runstream has something to serve on any machine without a download. It holds a short conversation about a few
hundred things and says that it does not know the rest. Do not use its answers for anything that matters.

| | |
|---|---|
| parameters | $parameters (embeddings tied), 4 layers, hidden size 256, 8 query heads over 4 key-value heads |
| size | $size MB in all, weights in fp16 |
| context window | 1,024 tokens |
| vocabulary | 4,096 byte-pair pieces, a digit each, bytes for the rest |
| end of turn | two EOS tokens, `</s>` and `<|end|>` |
| corpus | $conversations conversations, $tokens tokens with padding, each read once |
| training | $wall minutes on $threads threads, $cpu minutes of CPU time |
| loss | $train_loss nats per learned token at the end of training, $validation_loss on conversations of another seed |
| licence | Apache-2.0, for the weights and for the text they were trained on |

## What it was trained on

Only on text that `demo/corpus.py` writes from the tables beside it: countries, cities and landmarks, small
sums, words of this project and of computing, everyday facts, jokes, short stories, small talk, follow-up questions,
and questions that it must say it cannot answer. No text was taken from anywhere else.

## How well it answers

`python -m demo.evaluate` asks $asked questions in phrasings that the corpus does not contain (a test proves
it) and looks for the expected fact in the greedy answer: **$right of $asked, $percent %**.

Whoever wrote the questions had read the tables of what the model knows, in which the phrasings of small talk and of
part of the facts stand too, but not the phrasings of the other topics. No question was changed after an answer to it
was seen. Of 120, 14 turned out to stand in the corpus word for word and were left out.

| topic | right | asked |
|---|---|---|
$topics

Answers that missed the fact:

$misses

## What it can't do

Anything beyond its tables: no news, no people beyond a few, no code beyond Hello, World, no sums with numbers over
a hundred, no languages but English, no reasoning. Sometimes it is wrong without knowing it, above all where a
question resembles one that it knows.

## How to rebuild it

`make demo-model` runs `python -m demo.train`. The same machine, thread count and library versions give the
same weights.""")


class Answered(Protocol):
    """A held-out question that was asked."""

    @property
    def topic(self) -> str:
        """The row of the table that counts it."""

    @property
    def line(self) -> str:
        """The question and the answer on one line."""

    @property
    def is_right(self) -> bool:
        """Whether the answer contains the expected fact."""


def _topic_rows(results: Sequence[Answered]) -> str:
    asked = Counter(result.topic for result in results)
    right = Counter(result.topic for result in results if result.is_right)
    return "\n".join(f"| {topic} | {right[topic]} | {count} |" for topic, count in asked.items())


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def write_card(folder: Path, results: Sequence[Answered]) -> None:
    """Writes README.md beside the weights, from `training.json` and the held-out answers."""
    training = json.loads((folder / "training.json").read_text())
    num_right = sum(result.is_right for result in results)
    text = _CARD.substitute(
        parameters=f"{training['num_parameters'] / 1e6:.1f} million",
        size=f"{_size_mb(folder):.1f}",
        conversations=f"{training['num_conversations']:,}",
        tokens=f"{training['num_tokens'] / 1e6:.1f} million",
        wall=f"{training['wall_s'] / 60:.0f}",
        cpu=f"{training['cpu_s'] / 60:.0f}",
        threads=training["num_threads"],
        train_loss=f"{training['train_loss']:.3f}",
        validation_loss=f"{training['validation_loss']:.3f}",
        asked=len(results),
        right=num_right,
        percent=f"{100 * num_right / len(results):.0f}",
        topics=_topic_rows(results),
        misses="\n".join(f"- {result.line}" for result in results if not result.is_right) or "None.",
    )
    (folder / "README.md").write_text(text)
