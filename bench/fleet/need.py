"""Tells how many GPUs some traffic needs: by arithmetic first, then by simulation, then with spares for failures.

    python -m bench.fleet.need --requests-per-hour 1000000 --completion-tokens 200 --ttft-ms 1000

The GPU's figures are given, not measured here: those of `hardware.py`, from its memory, bandwidth and operations.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.fleet.fleet import Fleet, Outcome, Scenario
from bench.fleet.hardware import H200_8B, Hardware
from bench.fleet.load import Traffic
from bench.fleet.policies import POLICIES

MAX_SIMULATED = 16
"""A larger fleet is simulated as one of so many with the same load on each, which is no better off."""

_NUM_COUNTED = 10_000
_WARM_UP_S = 40.0
_GOODPUT = 0.99
_MOST_DOWN = 0.001


@dataclass(frozen=True, slots=True)
class Means:
    """What a request is on average, in tokens, and what it takes of a GPU."""

    prompt: float
    completion: float
    request_s: float

    @property
    def requests_per_s(self) -> float:
        """The most that a GPU can answer, however late."""
        return 1 / self.request_s


def means_of(traffic: Traffic, hardware: Hardware, max_inter_token_s: float, cached: float) -> Means:
    """The arithmetic of a request: a share of each step's weights, its own keys and values, its prompt.

    Args:
        traffic: What requests are like.
        hardware: The GPU.
        max_inter_token_s: Steps take no longer than this, so no more sequences share one.
        cached: The part of the prompts' tokens that is in a prefix cache.
    """
    factor = math.exp(traffic.spread**2 / 2)  # from a log-normal's median to its mean
    new, completion = traffic.median_new_tokens * factor, traffic.median_completion_tokens * factor
    # A conversation goes on so often on average, and each turn has those before it in its prompt.
    turns_before = traffic.continued / (1 - traffic.continued)
    prompt = traffic.num_system_tokens + new + turns_before * (new + completion)
    context = prompt + completion / 2
    shared_s, own_s = hardware.overhead_s + hardware.weights_s, context * hardware.kv_token_s
    prefill_s = prompt * (1 - cached) * hardware.prefill_token_s
    # In a step of B sequences each adds its keys and values, and its part of the prompts that come meanwhile.
    num_seqs = (max_inter_token_s - shared_s) / (own_s + prefill_s / completion)
    fitting = hardware.num_kv_tokens / (prompt + completion)
    num_seqs = max(1.0, min(num_seqs, fitting, hardware.max_num_seqs))
    return Means(prompt, completion, completion * (shared_s / num_seqs + own_s) + prefill_s)


def simulated(scenario: Scenario, num_gpus: int) -> Outcome:
    """What a fleet does, or the part of it that is simulated."""
    num_replicas = min(MAX_SIMULATED, num_gpus)
    requests_per_hour = scenario.requests_per_hour * num_replicas / num_gpus
    counted_s = _NUM_COUNTED / (requests_per_hour / 3600)
    fleet = Fleet(
        replace(
            scenario,
            num_replicas=num_replicas,
            requests_per_hour=requests_per_hour,
            warm_up_s=_WARM_UP_S,
            duration_s=_WARM_UP_S + counted_s,
        )
    )
    return fleet.run()


def is_good(outcome: Outcome, scenario: Scenario) -> bool:
    """Whether nearly all requests were answered well, and the first token came in time."""
    return outcome.goodput >= _GOODPUT and outcome.ttft_p99_s <= scenario.max_ttft_s


def fewest(scenario: Scenario, about: int) -> Iterator[tuple[int, Outcome]]:
    """Fleets that are simulated, towards the smallest that is good: the smallest good one of them is the answer.

    Args:
        scenario: The traffic, the GPU and the limits.
        about: Where to begin.
    """
    bad, good, size = 0, 0, about
    while not good or good - bad > max(1, good // 50):
        outcome = simulated(scenario, size)
        yield size, outcome
        bad, good = (bad, size) if is_good(outcome, scenario) else (size, good)
        if not good:
            size = math.ceil(1.25 * size)
        else:
            size = (bad + good) // 2 if bad else max(1, good * 4 // 5) if good > 1 else 0
        if not size:
            return


def spares(num_gpus: int, days_between_failures: float, down_s: float) -> int:
    """How many more are needed so that enough run in all but a thousandth of the time, and one is being restarted.

    Args:
        num_gpus: How many have to run.
        days_between_failures: Of one GPU, on average.
        down_s: From a failure until its work is taken up again.
    """
    down = down_s / (down_s + 86_400 * days_between_failures)
    num_spares = 0
    while _p_more_down(num_gpus + num_spares, num_spares, down) > _MOST_DOWN:
        num_spares += 1
    return num_spares + 1


def _p_more_down(num_gpus: int, num_spares: int, down: float) -> float:
    return 1 - sum(
        math.comb(num_gpus, count) * down**count * (1 - down) ** (num_gpus - count) for count in range(num_spares + 1)
    )


def main(arguments: list[str] | None = None) -> None:
    """Prints the steps of the answer."""
    options = _parser().parse_args(arguments)
    traffic = Traffic(
        median_new_tokens=options.new_tokens,
        median_completion_tokens=options.completion_tokens,
        num_system_tokens=options.system_tokens,
        continued=options.continued,
    )
    scenario = Scenario(
        hardware=replace(H200_8B, load_s=options.down_s, price_per_hour=options.price_per_hour),
        num_replicas=1,
        requests_per_hour=options.requests_per_hour * options.headroom,
        policy=options.policy,
        traffic=traffic,
        max_ttft_s=options.ttft_ms / 1000,
        max_inter_token_s=options.inter_token_ms / 1000,
    )
    _answer(scenario, options)


def _answer(scenario: Scenario, options: argparse.Namespace) -> None:
    hardware = scenario.hardware
    means = means_of(scenario.traffic, hardware, scenario.max_inter_token_s, options.cached)
    requests_per_s = scenario.requests_per_hour / 3600
    about = max(1, math.ceil(requests_per_s / means.requests_per_s))
    print(hardware.name)
    print(f"a request: {means.prompt:,.0f} tokens of prompt, {means.completion:,.0f} of completion on average")
    tokens_per_s = requests_per_s * means.completion
    print(f"the busiest hour with headroom: {requests_per_s:,.1f} requests/s, {tokens_per_s:,.0f} tokens/s generated")
    print(f"a GPU: {3600 * means.requests_per_s:,.0f} requests/h by arithmetic, so {about} GPUs; simulated:")
    found = []
    for num_gpus, outcome in fewest(scenario, about):
        says = "enough" if is_good(outcome, scenario) else "too few"
        found += [num_gpus] if is_good(outcome, scenario) else []
        print(
            f"  {num_gpus:,} GPUs: time to first token p99 {1e3 * outcome.ttft_p99_s:,.0f} ms, "
            f"{outcome.goodput:.1%} answered well, {outcome.cached:.0%} cached: {says}"
        )
    needed = min(found)
    more = spares(needed, options.days_between_failures, hardware.load_s)
    price = (needed + more) * hardware.price_per_hour
    per_million = 1e6 * price / options.requests_per_hour
    print(f"spares: {more - 1} for failures, 1 for a rolling restart")
    print(f"answer: {needed + more} GPUs, ${price:,.0f} an hour, ${per_million:,.0f} a million requests")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet.need", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    own = Traffic()
    add = parser.add_argument
    add("--requests-per-hour", type=float, required=True, help="in the busiest hour")
    add(
        "--headroom", type=float, default=1.25, help="how much more may come: the fleet is sized for so many times that"
    )
    add("--new-tokens", type=int, default=own.median_new_tokens, help="what a turn adds to the prompt, in the middle")
    add("--completion-tokens", type=int, default=own.median_completion_tokens, help="an answer, in the middle")
    add("--system-tokens", type=int, default=own.num_system_tokens, help="what each conversation begins with")
    add("--continued", type=float, default=own.continued, help="the part of the answers that another turn follows")
    add("--cached", type=float, default=0.0, help="for the arithmetic: the part of the prompts in a prefix cache")
    add("--policy", choices=tuple(POLICIES), default="prefix affinity", help="of the balancer")
    add("--ttft-ms", type=float, default=1000.0, help="the most until the first token, for 99 of 100")
    add("--inter-token-ms", type=float, default=50.0, help="the most between tokens, on average of an answer")
    add("--days-between-failures", type=float, default=30.0, help="of one GPU, its machine included")
    add("--down-s", type=float, default=600.0, help="from a failure until another does its work")
    add("--price-per-hour", type=float, default=H200_8B.price_per_hour, help="of a GPU, in US dollars")
    return parser


if __name__ == "__main__":
    main()
