"""The chunks of chat completions that are made part by part: several choices, whose parts come in any order."""

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.chat_stream import ChatStream
from bridge.openai.choices import ChoicePart
from bridge.openai.completions import Completion
from tests.support.fake_service import last_part, part
from tests.support.openai_asking import CHAT, COMPLETION, WITH_USAGE, parse_chat, parse_completion, read_chunks

TOKEN = pb.TokenLogprob(token=b"a", logprob=-1)
CALL = pb.ToolCallDelta(index=0, id="1", name="add", arguments_json="{}")

PARTS = st.builds(
    part,
    st.sampled_from(["", "a"]),
    logprobs=st.lists(st.just(TOKEN), max_size=2),
    tool_calls=st.lists(st.just(CALL), max_size=1),
)
LAST_PARTS = st.builds(last_part, st.sampled_from(["", "a"]), logprobs=st.lists(st.just(TOKEN), max_size=2))
CHOICES = st.lists(st.tuples(st.lists(PARTS, max_size=2), LAST_PARTS), min_size=1, max_size=3)


def stream_of(choice_parts: list[tuple[int, pb.RunStreamResponse]], num_choices: int) -> list[dict]:
    """The chunks of parts that come in this order."""
    stream = ChatStream(parse_chat(json.dumps({**CHAT, **WITH_USAGE, "logprobs": True, "n": num_choices}).encode()))
    return read_chunks(b"".join(stream.events(ChoicePart(*each)) for each in choice_parts))


@given(CHOICES, st.randoms())
def test_each_choice_has_one_role_first_its_tokens_once_and_one_end(choices, random):
    queues = {index: [*parts, last] for index, (parts, last) in enumerate(choices)}
    order = [index for index, queue in queues.items() for _ in queue]
    random.shuffle(order)
    chunks = stream_of([(index, queues[index].pop(0)) for index in order], len(choices))
    for index, (parts, last) in enumerate(choices):
        told = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert ["role" in choice["delta"] for choice in told] == [True] + [False] * (len(told) - 1)
        assert ["finish_reason" in choice for choice in told] == [False] * (len(told) - 1) + [True]
        num_tokens = sum(len(choice.get("logprobs", {"content": []})["content"]) for choice in told)
        assert num_tokens == sum(len(each.logprobs) for each in (*parts, last))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_prompt_is_counted_as_the_first_choice_had_it_whichever_ends_first(order):
    counts = [pb.Usage(prompt_tokens=7, completion_tokens=n, cached_prompt_tokens=10 * n) for n in (1, 2, 3)]
    usage = stream_of([(index, last_part(usage=counts[index])) for index in order], 3)[-1]["usage"]
    assert (usage["completion_tokens"], usage["prompt_tokens_details"]) == (6, {"cached_tokens": 10})
    completion = Completion(parse_completion(json.dumps({**COMPLETION, **WITH_USAGE, "n": 3}).encode()))
    events = [completion.events(ChoicePart(index, last_part(usage=counts[index]))) for index in order]
    assert read_chunks(b"".join(events))[-1]["usage"] == usage
