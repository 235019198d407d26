"""The engine beside transformers on the same weights, in one run, on one thread.

    python -m bench.engine [--checkpoint FOLDER] [--rounds N]

Rounds are interleaved, so that a slow moment of the machine falls on all; the table gives medians and the ratio to the
peer of each row. Every row generates 64 tokens for each of 16 prompts of 16 to 128 random tokens, or for one of 64.
"""

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

import service.demo
from service.checkpoints.load import load_model
from service.engine.engine import Engine
from service.engine.messages import EngineConfig
from service.engine.sequence import SamplingParams

NUM_NEW_TOKENS = 64
DEMO_CHECKPOINT = Path(service.demo.__file__).parent / "checkpoint"

Prompts = list[list[int]]


def make_prompts(vocab_size: int, count: int) -> Prompts:
    """Random prompts of 16 to 128 tokens, the same in every run; a single one has 64."""
    source = random.Random(0)
    lengths = [64] if count == 1 else [round(16 + 112 * place / (count - 1)) for place in range(count)]
    return [[source.randrange(10, vocab_size) for _ in range(length)] for length in lengths]


def run_engine(engine: Engine, prompts: Prompts) -> None:
    """Runs ours until every prompt has its completion."""
    for place, prompt in enumerate(prompts):
        engine.submit(str(place), prompt, SamplingParams(max_tokens=NUM_NEW_TOKENS))
    num_tokens = 0
    while engine.has_work:
        num_tokens += len(engine.step())
    assert num_tokens == NUM_NEW_TOKENS * len(prompts)


def run_generate(model: PreTrainedModel, prompts: Prompts) -> None:
    """Runs `generate` over a static batch, padded on the left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    model.set_attn_implementation("sdpa")
    output: Any = model.generate(ids, attention_mask=mask, generation_config=_generation_config())  # type: ignore[operator]
    assert output.shape[1] == longest + NUM_NEW_TOKENS


def run_generate_batch(model: PreTrainedModel, prompts: Prompts, config: ContinuousBatchingConfig, keep: bool) -> None:
    """Runs transformers' continuous batching; `keep` lets its manager live from call to call."""
    outputs: Any = model.generate_batch(  # type: ignore[operator]
        prompts, generation_config=_generation_config(), continuous_batching_config=config, persistent_manager=keep
    )
    assert all(len(output.generated_tokens) == NUM_NEW_TOKENS for output in outputs.values())
    assert len(outputs) == len(prompts)


def _generation_config() -> GenerationConfig:
    return GenerationConfig(max_new_tokens=NUM_NEW_TOKENS, do_sample=False, eos_token_id=-1, pad_token_id=0)


def rows(checkpoint: Path) -> dict[str, tuple[int, Callable[[], None]]]:
    """Each row's name, its number of sequences, and what runs it."""
    model, plain, tuned = (load_model(checkpoint, "cpu", "float32") for _ in range(3))
    engine = Engine(load_model(checkpoint, "cpu", "float32"), EngineConfig(checkpoint))
    one, many = (make_prompts(model.config.vocab_size, count) for count in (1, 16))
    untuned_config = ContinuousBatchingConfig(page_size=16)
    tuned_config = ContinuousBatchingConfig(
        page_size=16, num_blocks=256, max_batch_tokens=512, allow_block_sharing=False, use_async_batching=False
    )
    return {
        "generate, 1 sequence": (1, lambda: run_generate(model, one)),
        "engine, 1 sequence": (1, lambda: run_engine(engine, one)),
        "generate, static batch of 16": (16, lambda: run_generate(model, many)),
        "generate_batch, 16, as in a plain script": (
            16,
            lambda: run_generate_batch(plain, many, untuned_config, False),
        ),
        "generate_batch, 16, tuned": (16, lambda: run_generate_batch(tuned, many, tuned_config, True)),
        "engine, 16 sequences": (16, lambda: run_engine(engine, many)),
    }


def measure(table: dict[str, tuple[int, Callable[[], None]]], rounds: int) -> dict[str, list[float]]:
    """Tokens per second of every row in every round."""
    rates: dict[str, list[float]] = {name: [] for name in table}
    for round_number in range(rounds + 1):
        for name, (count, run) in table.items():
            start_s = time.perf_counter()
            run()
            if round_number:  # the first warms up
                rates[name].append(count * NUM_NEW_TOKENS / (time.perf_counter() - start_s))
    return rates


def ratio(rates: dict[str, list[float]], ours: str, theirs: str) -> float:
    """The median over rounds of our rate by theirs in the same round."""
    return statistics.median(a / b for a, b in zip(rates[ours], rates[theirs], strict=True))


@click.command(help=__doc__)
@click.option("--checkpoint", type=click.Path(path_type=Path), default=DEMO_CHECKPOINT)
@click.option("--rounds", default=7, show_default=True)
def main(checkpoint: Path, rounds: int) -> None:
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    rates = measure(rows(checkpoint), rounds)
    print("| | tokens/s, median | min | max |\n|---|---|---|---|")
    for name, values in rates.items():
        print(f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} | {max(values):.0f} |")
    print()
    for ours, theirs in [
        ("engine, 1 sequence", "generate, 1 sequence"),
        ("engine, 16 sequences", "generate, static batch of 16"),
        ("engine, 16 sequences", "generate_batch, 16, as in a plain script"),
        ("engine, 16 sequences", "generate_batch, 16, tuned"),
    ]:
        print(f"{ours} / {theirs}: {ratio(rates, ours, theirs):.2f}")


if __name__ == "__main__":
    main()
