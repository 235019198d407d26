"""One law for every face: what `RunStream` sends in parts, `Run`, JSON and server-sent events say as well."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.whole_chain import read_events, to_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACCOUNT = "acc"
WORDS = ["Where is New York?", "où est la bibliothèque", "你好,世界。", "🐉 and 👩‍👩‍👧", "</s>", "\x00\t\n", " "]
TEXT = st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=30), min_size=1, max_size=4).map("".join)
ROLES = st.sampled_from(["system", "user", "assistant"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": TEXT}), min_size=1, max_size=4)
INPUTS = st.fixed_dictionaries({"prompt": TEXT}, optional={"raw": st.booleans()}) | st.fixed_dictionaries(
    {"messages": MESSAGES}, optional={"raw": st.booleans()}
)
SAMPLING = st.fixed_dictionaries(
    {"max_tokens": st.integers(1, 40), "seed": st.integers(1, 9_999_999_999)},
    optional={
        "temperature": st.sampled_from([0, 0.01, 0.6, 1, 5]),
        "top_k": st.integers(1, 50),
        "top_p": st.floats(0.001, 1),
        "stop": st.lists(st.sampled_from([" ", "e", "\ufffd", "th", "\n\n"]), min_size=1, max_size=4),
        "min_p": st.floats(0, 1),
        "repetition_penalty": st.floats(0.5, 2),
        "frequency_penalty": st.floats(-2, 2),
        "presence_penalty": st.floats(-2, 2),
        "logit_bias": st.dictionaries(st.integers(0, 300).map(str), st.floats(-100, 100), max_size=3),
        "min_tokens": st.integers(0, 1),
        "ignore_eos": st.booleans(),
    },
)


def counts(usage):
    """Token counts, as JSON has them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_prompt_tokens},
    }


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.builds(lambda given, sampling: {**given, **sampling}, INPUTS, SAMPLING))
async def test_all_four_faces_say_the_same(chain, body):
    request = to_request(body)
    request.cache_salt = ACCOUNT  # as the bridge salts what it asks for
    await chain.service.text_generation.Run(request)  # from then on the prompt is cached, for all four alike
    whole = await chain.service.text_generation.Run(request)
    *parts, last = [part async for part in chain.service.text_generation.RunStream(request)]
    assert "".join(part.text for part in (*parts, last)) == whole.text
    assert (last.finish_reason, last.usage) == (whole.finish_reason, whole.usage)
    assert last.matched_stop == whole.matched_stop
    if not body.get("min_tokens"):
        assert not any(stop in whole.text for stop in body.get("stop", ()))
    assert not any(part.finish_reason or part.HasField("matched_stop") or part.HasField("usage") for part in parts)
    result = json.loads((await chain.ask(**body)).body)["result"]
    streamed = read_events((await chain.ask(**body, stream=True)).body)
    assert result == {"response": whole.text, "tool_calls": [], "usage": counts(whole.usage)}
    assert ("".join(streamed.texts), streamed.usage) == (whole.text, counts(whole.usage))
