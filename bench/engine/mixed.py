"""The engine beside transformers' continuous batching on requests of all lengths that arrive over time."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from transformers import ContinuousBatchingConfig, PreTrainedModel

from bench.engine.load import Load, Served, Setup, idle_s, over_time, serve, share_equal
from bench.engine.peer import PEERS, TUNED, peer_config, running_manager, serve_with_manager
from bench.report import Report, Spread, interleave, ratio, ratio_table, table

ENGINE = "engine"
_SHARE_OF_ENGINE_TIME = 0.5
"""Requests arrive within this share of the time that the engine needs for them: neither side runs out of work."""

_PEER_MAX_BATCH_TOKENS = 256
_PEER_MAX_REQUESTS = 8
"""Of 20 settings of the tuned peer for such a load on the CPU none was faster beyond noise: 64 to 2,048 tokens, 4 to 64
requests, blocks of 16 to 256 tokens, both schedulers, sdpa and eager. All requests and 512 tokens had half its rate."""


def run(
    setup: Setup,
    peers: tuple[str, ...] = PEERS,
    num_requests: int = 64,
    prompt_tokens: tuple[int, int] = (16, 512),
    new_tokens: tuple[int, int] = (16, 256),
    span_s: float | None = None,
) -> Report:
    """Measures the same arrivals on the engine and on each peer.

    Args:
        setup: What is measured.
        peers: Which ways of running the peer.
        num_requests: How many requests arrive.
        prompt_tokens, new_tokens: The least and the most tokens of a prompt, and of a completion.
        span_s: Within how many seconds they arrive; None for half the time that the engine needs for them.
    """
    engine = setup.make_engine()
    make_load = partial(over_time, engine.info.vocab_size, num_requests, prompt_tokens, new_tokens)
    if span_s is None:
        _, needed_s = (serve(engine, make_load(span_s=0.0)).duration_s for _ in range(2))  # the first warms up
        span_s = needed_s * _SHARE_OF_ENGINE_TIME
    load = make_load(span_s=span_s)
    ways: dict[str, Callable[[], Served]] = {ENGINE: partial(serve, engine, load)}
    with ExitStack() as stack:
        for peer in peers:
            model = setup.load_model()
            config = peer_config(peer, setup.device, load, _PEER_MAX_BATCH_TOKENS, _PEER_MAX_REQUESTS)
            if peer == TUNED:
                manager = stack.enter_context(running_manager(model, config))
                ways[f"generate_batch, {peer}"] = partial(serve_with_manager, manager, load)
            else:
                ways[f"generate_batch, {peer}"] = partial(_serve_with_new_manager, model, config, load)
        results = interleave(ways, setup.rounds)
    return _report(load, results)


def _serve_with_new_manager(model: PreTrainedModel, config: ContinuousBatchingConfig | None, load: Load) -> Served:
    """As a script that ends with its work; that its manager has to be set up first is not counted."""
    with running_manager(model, config) as manager:
        return serve_with_manager(manager, load)


def _report(load: Load, results: dict[str, list[Served]]) -> Report:
    arrivals_s = [request.arrival_s for request in load]
    rates = {way: [served.rate for served in rounds] for way, rounds in results.items()}
    rows = []
    for way, rounds in results.items():
        equal = [share_equal(served, ours) for served, ours in zip(rounds, results[ENGINE], strict=True)]
        idle = max(idle_s(arrivals_s, served.finished_s) for served in rounds)
        cores = Spread.of([served.cpu_s / served.duration_s for served in rounds]).median
        rows.append([way, *Spread.of(rates[way]).cells(), f"{min(equal):.0%}", f"{idle:.2f}", f"{cores:.2f}"])
    headings = ["", "tokens/s, median", "min", "max", "requests with the engine's tokens", "most s idle", "cores used"]
    ratios = {
        f"{ENGINE} / {way}": (ratio(rates[ENGINE], theirs), "2.5") for way, theirs in rates.items() if way != ENGINE
    }
    prompt_lengths = [len(request.prompt_token_ids) for request in load]
    num_new_tokens = [request.num_new_tokens for request in load]
    note = (
        f"{len(load)} requests within {arrivals_s[-1]:.2f} s, prompts of {min(prompt_lengths)} to "
        f"{max(prompt_lengths)} tokens, {sum(prompt_lengths)} in all, completions of {min(num_new_tokens)} to "
        f"{max(num_new_tokens)}, {sum(num_new_tokens)} in all, which every way gave."
    )
    figures = {
        "arrivals_s": arrivals_s,
        "num_prompt_tokens": prompt_lengths,
        "num_new_tokens": num_new_tokens,
        "tokens_per_s": rates,
        "finished_s": {way: [served.finished_s for served in rounds] for way, rounds in results.items()},
    }
    return Report("Mixed load", note, [table(headings, rows), ratio_table(ratios)], figures)
