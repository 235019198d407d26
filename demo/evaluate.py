"""Asks the demo model the held-out questions and writes its card: `python -m demo.evaluate`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from demo.card import write_card
from demo.heldout import HELD_OUT, HeldOut
from service.demo import CHECKPOINT

_MOST_TOKENS = 160
_ROWS = 32

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Result:
    """A held-out question and what the model said."""

    question: HeldOut
    answer: str

    @property
    def topic(self) -> str:
        """The row of the model card that counts it."""
        return self.question.topic

    @property
    def line(self) -> str:
        """The question and the answer on one line."""
        return f"{' | '.join(self.question.said)} → {' '.join(self.answer.split())}"

    @property
    def is_right(self) -> bool:
        """Whether the answer contains one of the expected texts."""
        answer = self.answer.lower()
        return any(text in answer for text in self.question.expected)


def load(folder: Path = CHECKPOINT) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model in float32 and its tokenizer, which pads on the left for generation."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise TypeError(f"{folder} has no tokenizer.json")
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, tokenizer


def answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, conversations: Sequence[Messages]
) -> list[str]:
    """The greedy answer to each conversation."""
    said: list[str] = []
    for start in range(0, len(conversations), _ROWS):
        rows = list(conversations[start : start + _ROWS])
        texts = [tokenizer.apply_chat_template(row, add_generation_prompt=True, tokenize=False) for row in rows]
        prompts = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(**prompts, max_new_tokens=_MOST_TOKENS, do_sample=False)  # type: ignore[misc]
        said += tokenizer.batch_decode(tokens[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return said


def _history(question: HeldOut) -> Messages:
    return [{"role": "system", "content": question.system}] if question.system is not None else []


def evaluate(folder: Path = CHECKPOINT) -> list[Result]:
    """Asks every held-out question, turn by turn, keeping the model's own answers in between."""
    model, tokenizer = load(folder)
    talks = [_history(question) for question in HELD_OUT]
    last = [""] * len(HELD_OUT)
    for number in range(max(len(question.said) for question in HELD_OUT)):
        open_talks = [i for i, question in enumerate(HELD_OUT) if len(question.said) > number]
        for i in open_talks:
            talks[i].append({"role": "user", "content": HELD_OUT[i].said[number]})
        for i, answer in zip(open_talks, answers(model, tokenizer, [talks[i] for i in open_talks]), strict=True):
            talks[i].append({"role": "assistant", "content": answer})
            last[i] = answer
    return [Result(question, answer) for question, answer in zip(HELD_OUT, last, strict=True)]


@click.command()
@click.option("--checkpoint", default=CHECKPOINT, type=click.Path(path_type=Path), help="Folder of the checkpoint.")
def main(checkpoint: Path) -> None:
    """Ask the held-out questions, print the wrong answers, and write the card."""
    results = evaluate(checkpoint)
    for result in results:
        if not result.is_right:
            click.echo(f"{result.topic}: {result.line}")
    right = Counter(result.is_right for result in results)[True]
    click.echo(f"{right} of {len(results)} answers contain the expected fact")
    write_card(checkpoint, results)


if __name__ == "__main__":
    main()
