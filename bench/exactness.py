"""How often greedy tokens differ from transformers' `generate`, and between a request alone and in company.

    python -m bench.exactness [--checkpoint FOLDER] [--prompts N]

For each precision it generates 64 tokens for each prompt (16 to 128 random tokens) in three ways: `generate`, the
engine with one request at a time, and the engine with all of them at once, up to 16 running. Only the first difference
of two completions counts, since what follows has another prompt.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

import service.demo
from bench.engine.load import Load, all_at_once, serve
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig

NUM_NEW_TOKENS = 64
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Generated:
    """Tokens, and by how much the best logit led the next one at each place."""

    tokens: list[list[int]]
    leads: list[list[float]]


def generate(checkpoint: Path, dtype: str, load: Load) -> Generated:
    """transformers' tokens, one prompt at a time."""
    model: Any = load_model(checkpoint, "cpu", dtype)
    tokens, leads = [], []
    for prompt in (request.prompt_token_ids for request in load):
        output = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=NUM_NEW_TOKENS,
            do_sample=False,
            eos_token_id=-1,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        best = torch.cat(output.logits).float().topk(2).values
        tokens.append(output.sequences[0, len(prompt) :].tolist())
        leads.append((best[:, 0] - best[:, 1]).tolist())
    return Generated(tokens, leads)


def run_engine(checkpoint: Path, dtype: str, load: Load, max_num_seqs: int) -> list[list[int]]:
    """Our tokens, with at most so many requests at once."""
    engine = build_engine(load_model(checkpoint, "cpu", dtype), EngineConfig(checkpoint, max_num_seqs=max_num_seqs))
    return serve(engine, load).token_ids


def first_differences(ours: list[list[int]], theirs: list[list[int]]) -> list[int | None]:
    """The first place at which each pair differs."""
    return [
        next((place for place, (a, b) in enumerate(zip(mine, other, strict=True)) if a != b), None)
        for mine, other in zip(ours, theirs, strict=True)
    ]


def row(dtype: str, pair: str, ours: list[list[int]], theirs: list[list[int]], leads: list[list[float]]) -> str:
    """A line of the table; `leads` are those of `theirs`, or nothing."""
    places = first_differences(ours, theirs)
    num_compared = sum(NUM_NEW_TOKENS if place is None else place + 1 for place in places)
    differing = [(number, place) for number, place in enumerate(places) if place is not None]
    largest = max((leads[number][place] for number, place in differing), default=0.0) if leads else None
    return f"| {dtype} | {pair} | {num_compared} | {len(differing)} | {'' if largest is None else f'{largest:.3f}'} |"


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), default=service.demo.CHECKPOINT)
@click.option("--prompts", "num_prompts", default=128, help="How many.")
def main(checkpoint: Path, num_prompts: int) -> None:
    """Prints a table in Markdown."""
    torch.set_num_threads(1)
    print("| precision | compared | tokens compared | first differences | largest lead of the best logit there |")
    print("|---|---|---|---|---|")
    for dtype in DTYPES:
        vocab_size = load_model(checkpoint, "cpu", dtype).config.vocab_size
        load = all_at_once(vocab_size, num_prompts, NUM_NEW_TOKENS)
        theirs = generate(checkpoint, dtype, load)
        alone, in_company = (run_engine(checkpoint, dtype, load, most) for most in (1, 16))
        print(row(dtype, "in company with `generate`", in_company, theirs.tokens, theirs.leads))
        print(row(dtype, "in company with alone", in_company, alone, []), flush=True)


if __name__ == "__main__":
    main()
