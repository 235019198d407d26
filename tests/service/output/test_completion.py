"""A completion's parts: where a stop sequence ends it, which tokens count, and that batches of tokens don't matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

from service.engine_client.request import EngineOutput
from service.engine_protocol.sampling_params import FinishReason, TokenLogprobs
from service.engine_protocol.thinking import Thinking
from service.metrics import Metrics
from service.output.completion import Completion, RequestInfo, Stops, join
from service.output.detokenizer import Vocabulary
from service.requests.call_format import CallFormat
from tests.support.first_match import first_match
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer

VOCAB_SIZE = 512
TOKENIZERS = {"fallback": byte_fallback_tokenizer(VOCAB_SIZE), "level": byte_level_tokenizer(VOCAB_SIZE)}
VOCABULARIES = {kind: Vocabulary(tokenizer) for kind, tokenizer in TOKENIZERS.items()}
METRICS = Metrics()

kinds = pytest.mark.parametrize("kind", TOKENIZERS)
token_ids = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=30)


def complete(
    kind,
    ids,
    stops=(),
    min_tokens=0,
    batches=None,
    finish_reason=FinishReason.LENGTH,
    tools=(),
    stop_token_ids=(),
    is_included=False,
):
    """The answer, when the engine puts tokens out in batches."""
    request = RequestInfo("id", "model", num_prompt_tokens=7, max_tokens=100, started_at=0.0)
    endings = Stops(
        sequences=stops, token_ids=frozenset(stop_token_ids), is_included=is_included, min_tokens=min_tokens
    )
    completion = Completion(request, VOCABULARIES[kind], endings, tools, METRICS)
    batches = batches or [len(ids)]
    parts = []
    for number, size in enumerate(batches):
        begin = sum(batches[:number])
        is_last = begin + size >= len(ids)
        logprobs = [TokenLogprobs(-1.0, ((token_id, -1.0),)) for token_id in ids[begin : begin + size]]
        reason = finish_reason if is_last else None
        part = completion.add(EngineOutput(ids[begin : begin + size], reason, logprobs=logprobs))
        parts += [part] if part is not None else []
        if completion.has_ended:
            break
    assert all(not part.finish_reason and (part.text or part.tool_calls) for part in parts[:-1])
    answer = join(parts)
    counted = ids[: answer.usage.completion_tokens]
    assert [logprob.token_id for logprob in answer.logprobs] == counted, "those of all tokens that count"
    assert [logprob.top[0].token_id for logprob in answer.logprobs] == counted
    return answer


def expected(kind, ids, stops, min_tokens):
    """The text, the stop and the number of tokens, found in all texts that the tokens settle one after the other."""
    detokenizer = VOCABULARIES[kind].detokenizer()
    settled = [detokenizer.push([token_id]) for token_id in ids]
    unsearched = "".join(settled[:min_tokens])
    searched = ""
    for num_tokens, text in enumerate(settled[min_tokens:], min_tokens + 1):
        searched += text
        begin, stop = first_match(searched, stops)
        endings = [searched[place:] for place in range(begin)]
        if stop and not any(other.startswith(ending) for ending in endings for other in stops):
            return unsearched + searched[:begin], stop, num_tokens
    end = detokenizer.flush()
    if len(ids) <= min_tokens:
        return unsearched + end, None, len(ids)
    begin, stop = first_match(searched + end, stops)
    return unsearched + (searched + end)[:begin], stop, len(ids)


def summary(answer: pb.RunResponse):
    return answer.text, answer.matched_stop or None, answer.usage.completion_tokens


@kinds
@given(ids=token_ids, min_tokens=st.integers(0, 12), data=st.data())
def test_a_completion_ends_at_its_first_stop_however_its_tokens_come(kind, ids, min_tokens, data):
    text = TOKENIZERS[kind].decode(ids, skip_special_tokens=True) or " "
    begin = data.draw(st.integers(0, len(text) - 1))
    stops = [
        text[begin : begin + data.draw(st.integers(1, 4))],
        *data.draw(st.lists(st.sampled_from(text), max_size=2)),
    ]
    batches = data.draw(st.lists(st.integers(1, 8), min_size=len(ids), max_size=len(ids)))
    answer = complete(kind, ids, stops, min_tokens, batches)
    assert summary(answer) == expected(kind, ids, stops, min_tokens)
    assert answer.finish_reason == (pb.FINISH_REASON_STOP if answer.matched_stop else pb.FINISH_REASON_LENGTH)


@kinds
@given(ids=token_ids)
def test_without_stops_a_completion_is_what_its_tokens_decode_to(kind, ids):
    answer = complete(kind, ids, batches=[1] * len(ids))
    assert summary(answer) == (TOKENIZERS[kind].decode(ids, skip_special_tokens=True), None, len(ids))


def encoded(kind, text):
    """The token ids of a text."""
    return TOKENIZERS[kind].encode(text, add_special_tokens=False).ids


@kinds
def test_tokens_behind_the_one_that_completes_the_stop_do_not_count(kind):
    before, after = encoded(kind, "Hello, World"), encoded(kind, " is a book")
    answer = complete(kind, before + after, ["World"])
    assert summary(answer) == ("Hello, ", "World", len(before))
    assert answer.finish_reason == pb.FINISH_REASON_STOP


@kinds
def test_a_stop_over_many_tokens_is_never_seen(kind):
    ids = encoded(kind, "a 😀你 b")
    answer = complete(kind, ids, ["😀你"], batches=[1] * len(ids))
    assert (answer.text, answer.matched_stop) == ("a ", "😀你")


@pytest.mark.parametrize("finish_reason", FinishReason)
def test_text_that_only_the_end_settles_is_searched_too(finish_reason):
    ids = encoded("fallback", "a 😀")
    answer = complete("fallback", ids, ["😀"], finish_reason=finish_reason)
    assert (answer.finish_reason, answer.matched_stop, answer.text) == (pb.FINISH_REASON_STOP, "😀", "a ")


@pytest.mark.parametrize("finish_reason", FinishReason)
def test_the_beginning_of_a_stop_is_let_go_at_the_end(finish_reason):
    answer = complete("level", encoded("level", "Hello, Wor"), ["World"], finish_reason=finish_reason)
    assert (answer.text, answer.HasField("matched_stop")) == ("Hello, Wor", False)
    assert answer.finish_reason == getattr(pb, f"FINISH_REASON_{finish_reason.name}")


@pytest.mark.parametrize(
    ("min_tokens", "answer"), [(1, ("a", "\n\n", 3)), (2, ("a\n", "\n\n", 4)), (3, ("a\n\n\nb", None, 5))]
)
def test_the_text_of_the_first_min_tokens_tokens_is_not_even_part_of_a_match(min_tokens, answer):
    ids = [token_id for character in "a\n\n\nb" for token_id in encoded("level", character)]
    assert len(ids) == 5
    assert summary(complete("level", ids, ["\n\n"], min_tokens)) == answer


@kinds
@given(ids=token_ids, min_tokens=st.integers(0, 12), data=st.data())
def test_an_included_stop_stands_behind_what_it_ended(kind, ids, min_tokens, data):
    text = TOKENIZERS[kind].decode(ids, skip_special_tokens=True) or " "
    stops = data.draw(st.lists(st.sampled_from(text), min_size=1, max_size=3))
    batches = data.draw(st.lists(st.integers(1, 8), min_size=len(ids), max_size=len(ids)))
    without, included = [
        complete(kind, ids, stops, min_tokens, batches, is_included=is_included) for is_included in (False, True)
    ]
    assert included.text == without.text + without.matched_stop
    assert summary(included)[1:] == summary(without)[1:]


def stopped_at(kind, text, **how):
    """The answer when the engine ends a completion with the last token of a text, and that token."""
    *_, stop = ids = encoded(kind, text)
    how = {"finish_reason": FinishReason.STOP, "stop_token_ids": [stop]} | how
    return complete(kind, ids, **how), stop


@kinds
@pytest.mark.parametrize("batches", [None, [1] * 20])
def test_the_text_of_a_stop_token_is_left_out_or_included_as_that_of_a_stop_sequence(kind, batches):
    without, stop = stopped_at(kind, "Hello, World", batches=batches)
    included, _ = stopped_at(kind, "Hello, World", batches=batches, is_included=True)
    assert included.text == "Hello, World"
    assert included.text.startswith(without.text)
    assert without.text != included.text
    for answer in (without, included):
        assert (answer.matched_stop_token_id, answer.HasField("matched_stop")) == (stop, False)
        assert answer.finish_reason == pb.FINISH_REASON_STOP
        assert answer.usage.completion_tokens == len(encoded(kind, "Hello, World"))


def test_what_a_stop_token_cuts_in_the_middle_of_a_character_is_settled_by_its_end():
    answer, stop = stopped_at("level", "a 😀")
    assert (answer.text, answer.matched_stop_token_id) == ("a \ufffd", stop)


def test_a_stop_sequence_that_a_stop_token_completes_has_ended_the_completion():
    answer, _ = stopped_at("level", "a b!", stops=["!"], is_included=True)
    assert (answer.text, answer.matched_stop, answer.HasField("matched_stop_token_id")) == ("a b!", "!", False)


def test_a_completion_that_ends_otherwise_has_no_stop_token():
    answer = complete("level", encoded("level", "Hello"), stop_token_ids=[5])
    assert not answer.HasField("matched_stop_token_id")


CALL = '{"name": "clock", "parameters": {"zone": "CET"}}'


def called(text, **how):
    """The answer to a request with a tool, when each token comes alone, and the names and arguments of its calls."""
    ids = encoded("level", text)
    how = {"batches": [1] * len(ids), "finish_reason": FinishReason.STOP} | how
    answer = complete("level", ids, tools=["clock"], **how)
    return answer, [(call.name, call.arguments_json) for call in answer.tool_calls]


@pytest.mark.parametrize("batches", [None, [1] * 400, [3] * 400])
def test_calls_are_no_text_and_the_reason_for_the_end(batches):
    answer, calls = called(f"{CALL}; {CALL}\n", batches=batches)
    assert calls == [("clock", '{"zone": "CET"}')] * 2
    assert len({call.id for call in answer.tool_calls}) == 2
    assert (answer.text, answer.finish_reason) == ("", pb.FINISH_REASON_TOOL_CALLS)


@pytest.mark.parametrize(
    ("text", "num_calls", "told", "reason"),
    [
        (CALL, 1, "", pb.FINISH_REASON_TOOL_CALLS),
        (f"{CALL};", 1, "", pb.FINISH_REASON_TOOL_CALLS),
        (f"{CALL}; {CALL[:9]}", 1, "", pb.FINISH_REASON_LENGTH),
        (f"{CALL} It is", 1, "", pb.FINISH_REASON_LENGTH),
        (CALL[:-1], 1, "", pb.FINISH_REASON_TOOL_CALLS),
        (CALL[:-2], 1, CALL[:-2], pb.FINISH_REASON_LENGTH),
        (CALL[:20], 0, CALL[:20], pb.FINISH_REASON_LENGTH),
    ],
)
def test_what_max_tokens_cuts_ends_with_that_reason_if_anything_was_cut(text, num_calls, told, reason):
    answer, calls = called(text, finish_reason=FinishReason.LENGTH)
    assert (len(calls), answer.text, answer.finish_reason) == (num_calls, told, reason)


def test_text_behind_a_call_is_left_out():
    answer, calls = called(f"{CALL} It is late.")
    assert (len(calls), answer.text, answer.finish_reason) == (1, "", pb.FINISH_REASON_TOOL_CALLS)


def test_a_stop_sequence_is_looked_for_in_calls_too():
    answer, calls = called(CALL, stops=["zone"])
    assert (calls, answer.text, answer.matched_stop) == ([], CALL[: CALL.index("zone")], "zone")
    answer, calls = called(CALL, stops=["CET"])
    assert (calls, answer.matched_stop) == ([("clock", '{"zone": "')], "CET")
    assert answer.finish_reason == pb.FINISH_REASON_STOP
    assert answer.text == CALL[: CALL.index("CET")]
    answer, calls = called(f"{CALL}\n\nSo", stops=["\n\n"])
    assert (len(calls), answer.text, answer.matched_stop) == (1, "", "\n\n")
    assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS


def test_no_stop_is_looked_for_in_the_call_that_min_tokens_settles():
    answer, calls = called(CALL, stops=["zone"], min_tokens=400)
    assert (len(calls), answer.HasField("matched_stop")) == (1, False)


@given(ids=token_ids, min_tokens=st.integers(0, 12), data=st.data())
def test_text_without_a_call_is_the_same_with_tools(ids, min_tokens, data):
    batches = data.draw(st.lists(st.integers(1, 8), min_size=len(ids), max_size=len(ids)))
    free, asked = [complete("level", ids, ["e"], min_tokens, batches, tools=tools) for tools in ([], ["clock"])]
    assert free == asked


def test_special_tokens_that_mark_calls_are_seen_behind_thinking_and_are_no_text_anywhere():
    tokenizer = byte_level_tokenizer(VOCAB_SIZE)
    tokenizer.add_special_tokens(["[TOOL_CALLS]", "[ARGS]"])
    text = "<think>a[ARGS]b</think>I look.[TOOL_CALLS]clock[ARGS]{}"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    request = RequestInfo("id", "model", num_prompt_tokens=7, max_tokens=100, started_at=0.0)
    how = (Stops(), ["clock"], METRICS, Thinking("<think>", "</think>"), CallFormat.MISTRAL_NAMED)
    completion = Completion(request, Vocabulary(tokenizer), *how)
    parts = [completion.add(EngineOutput([token_id], None)) for token_id in ids[:-1]]
    parts.append(completion.add(EngineOutput(ids[-1:], FinishReason.STOP)))
    answer = join(part for part in parts if part is not None)
    assert (answer.reasoning_content, answer.text) == ("ab", "I look.")
    assert [(call.name, call.arguments_json) for call in answer.tool_calls] == [("clock", "{}")]
    assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS
