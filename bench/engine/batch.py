"""The engine beside `generate` and `generate_batch` on prompts that are all there at the start."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from bench.engine.load import Load, Setup, all_at_once, serve
from bench.engine.peer import PLAIN, TUNED, generate_batch, generation_config, peer_config
from bench.report import Report, Spread, interleave, ratio, ratio_table, table

_PEER_MAX_BATCH_TOKENS = 512
"""The engine's own. With half as many, or with 8 requests instead of 16, the tuned peer was as fast within noise."""


def generate(model: PreTrainedModel, load: Load) -> None:
    """Runs `generate` over a static batch, padded on the left."""
    prompts, num_new_tokens = [request.prompt_token_ids for request in load], load[0].num_new_tokens
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    model.set_attn_implementation("sdpa")
    output: Any = model.generate(ids, attention_mask=mask, generation_config=generation_config(num_new_tokens))  # type: ignore[operator]
    if len(output[0].tolist()) != longest + num_new_tokens:
        raise RuntimeError("generate ended before its time")


def run(setup: Setup, peers: tuple[str, ...] = (PLAIN, TUNED), count: int = 16, num_new_tokens: int = 64) -> Report:
    """Measures one sequence and `count` of them, all of which begin at once."""
    model, engine = setup.load_model(), setup.make_engine()
    one, many = (all_at_once(engine.info.vocab_size, number, num_new_tokens) for number in (1, count))
    ways: dict[str, tuple[Load, Callable[[], object]]] = {
        "generate, 1 sequence": (one, partial(generate, model, one)),
        "engine, 1 sequence": (one, partial(serve, engine, one)),
        f"generate, static batch of {count}": (many, partial(generate, model, many)),
    }
    prompts = [request.prompt_token_ids for request in many]
    for peer in peers:
        config = peer_config(peer, setup.device, many, _PEER_MAX_BATCH_TOKENS, count)
        run_peer = partial(generate_batch, setup.load_model(), prompts, num_new_tokens, config, keep=peer == TUNED)
        ways[f"generate_batch, {count}, {peer}"] = (many, run_peer)
    ways[f"engine, {count} sequences"] = (many, partial(serve, engine, many))
    rates = interleave({name: partial(_rate, load, run_way) for name, (load, run_way) in ways.items()}, setup.rounds)
    ours = rates[f"engine, {count} sequences"]
    goals = {"generate, 1 sequence": "1.1", f"generate_batch, {count}, {TUNED}": "2.5"}
    ratios = {
        f"engine / {name}": (
            ratio(rates["engine, 1 sequence"] if load is one else ours, rates[name]),
            goals.get(name, ""),
        )
        for name, (load, _) in ways.items()
        if not name.startswith("engine")
    }
    rows = [[name, *Spread.of(values).cells()] for name, values in rates.items()]
    tables = [table(["", "tokens/s, median", "min", "max"], rows), ratio_table(ratios)]
    note = f"Prompts of 16 to 128 tokens (64 for a single one), {num_new_tokens} new tokens each."
    return Report("The engine beside transformers", note, tables, {"tokens_per_s": rates})


def _rate(load: Load, run_way: Callable[[], object]) -> float:
    begun_at = time.perf_counter()
    run_way()
    return sum(request.num_new_tokens for request in load) / (time.perf_counter() - begun_at)
