"""Requests that arrive and leave while others run."""

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from service.engine.engine import Engine
from service.engine_protocol.sampling_params import Priority, SamplingParams
from tests.support.engines import finish, outputs_of, tokens_of

MOST_TOKENS = 24
MOST_STEPS_TO_WAIT = 12
EOS = frozenset(range(2, 12))
"""Many, so that random tokens meet them."""

# Those of the same salt begin alike, so that the prefix cache has something to find.
PROMPTS = [
    tuple(3 + (step * step * 7 + step * 13 + salt) % 300 for step in range(length))
    for length in (1, 2, 15, 16, 17, 30, 47, 70)
    for salt in (0, 101)
]
some = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=settings().max_examples // 10,
)


@dataclass(frozen=True)
class Request:
    """What a client asks for, before which step it comes, and how many steps later it leaves, if it does."""

    prompt: tuple[int, ...]
    max_tokens: int
    arrival: int = 0
    abort_after: int | None = None
    priority: Priority = Priority.ONLINE


REQUESTS = st.lists(
    st.builds(
        Request,
        st.sampled_from(PROMPTS),
        st.integers(1, MOST_TOKENS),
        st.integers(0, MOST_STEPS_TO_WAIT),
        st.none() | st.integers(0, MOST_TOKENS),
        st.sampled_from(Priority),
    ),
    min_size=1,
    max_size=6,
)
BOUNDS = st.fixed_dictionaries(
    {
        "num_blocks": st.integers(6, 16),  # the longest request fills 6
        "max_num_seqs": st.integers(1, 4),
        "max_num_batched_tokens": st.sampled_from([4, 16, 64]),
    }
)
OFTEN_PREEMPTED = [Request(PROMPTS[place], MOST_TOKENS) for place in (10, 11, 12, 13)]
FEW_BLOCKS = {"num_blocks": 7, "max_num_seqs": 4, "max_num_batched_tokens": 64}


def play(engine: Engine, requests: list[Request], params: list[SamplingParams]) -> list[list[int]]:
    """Lets requests come and leave as they want; the tokens that each got."""
    outputs = []
    for step in range(MOST_STEPS_TO_WAIT + MOST_TOKENS + 1):
        for place, request in enumerate(requests):
            if step == request.arrival:
                engine.submit(str(place), list(request.prompt), params[place], request.priority)
            if request.abort_after is not None and step == request.arrival + request.abort_after:
                engine.abort(str(place))
        outputs += outputs_of(engine)
    outputs += finish(engine)
    assert engine.block_pool.num_free == engine.block_pool.num_blocks
    return [tokens_of(outputs, str(place)) for place in range(len(requests))]
