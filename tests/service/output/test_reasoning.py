"""Thinking and answer come apart in the same way wherever tokens cut them, and however these are batched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

from service.engine_client.request import EngineOutput
from service.engine_protocol.sampling_params import FinishReason
from service.engine_protocol.thinking import Thinking
from service.metrics import Metrics
from service.output.completion import Completion, RequestInfo, Stops, join
from service.output.detokenizer import Vocabulary
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer

BEGIN, END = "<think>", "</think>"
AS_TEXT = Thinking(BEGIN, END)
METRICS = Metrics()
TOKENIZERS = {"fallback": byte_fallback_tokenizer(512), "level": byte_level_tokenizer(512)}
PLAIN = {kind: Vocabulary(tokenizer) for kind, tokenizer in TOKENIZERS.items()}

kinds = pytest.mark.parametrize("kind", TOKENIZERS)
texts = st.text("<think>/ \na😀é", max_size=25) | st.lists(
    st.sampled_from([BEGIN, END, "</thin", "<", " ", "\n", "hm", "é😀"]), max_size=6
).map("".join)


def marked(kind: str) -> tuple[Vocabulary, Any]:
    """A vocabulary in which the markers are tokens."""
    tokenizer = {"fallback": byte_fallback_tokenizer, "level": byte_level_tokenizer}[kind](512)
    tokenizer.add_tokens([BEGIN, END])
    return Vocabulary(tokenizer), Thinking(BEGIN, END, tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END))


MARKED = {kind: marked(kind) for kind in TOKENIZERS}


def complete(vocabulary, thinking, ids, batches=(), *, has_form=False, **stops) -> pb.RunResponse:
    """The answer, when the engine puts tokens out in batches and ends with the last."""
    request = RequestInfo("id", "model", num_prompt_tokens=7, max_tokens=1000, started_at=0.0)
    completion = Completion(request, vocabulary, Stops(**stops), (), METRICS, thinking, has_form=has_form)
    parts, begin = [], 0
    for size in [*batches, len(ids)]:
        end = min(begin + size, len(ids))
        reason = FinishReason.LENGTH if end == len(ids) else None
        part = completion.add(EngineOutput(ids[begin:end], reason))
        parts += [part] if part is not None else []
        if completion.has_ended:
            break
        begin = end
    behind = [part.reasoning_content for part in parts if part.text]
    assert not any(behind[1:]), "all of the thinking comes before the answer"
    return join(parts)


def apart(text: str, *, is_open: bool, has_form: bool = False) -> tuple[str, str]:
    """Thinking and answer of a whole text."""
    body = text if has_form else text.lstrip()
    if not (is_open or body.startswith(BEGIN)):
        return "", text
    thought, _, answer = (text if is_open else body.removeprefix(BEGIN)).partition(END)
    return thought.strip(), answer if has_form else answer.lstrip()


@kinds
@given(data=st.data(), text=texts, is_open=st.booleans(), has_form=st.booleans())
def test_markers_that_are_texts_are_found_wherever_tokens_cut_them(kind, data, text, is_open, has_form):
    by_character = kind == "level" and data.draw(st.booleans())
    cut = list(text) if by_character else [text]
    ids = [token_id for piece in cut for token_id in TOKENIZERS[kind].encode(piece, add_special_tokens=False).ids]
    batches = data.draw(st.lists(st.integers(1, 5), max_size=8))
    thinking = Thinking(BEGIN, END, is_open=is_open)
    answer = complete(PLAIN[kind], thinking, ids or [3], batches, has_form=has_form)
    decoded = PLAIN[kind].decode(ids or [3])
    assert (answer.reasoning_content, answer.text) == apart(decoded, is_open=is_open, has_form=has_form)


pieces = st.lists(st.sampled_from(["<", "th", "hm", " ", "\n", "é", "😀", BEGIN, END, "</th"]), max_size=8)


@kinds
@given(data=st.data(), thought=pieces, said=pieces, is_open=st.booleans())
def test_markers_that_are_tokens_count_only_as_these_tokens(kind, data, thought, said, is_open):
    vocabulary, thinking = MARKED[kind]
    spelled = [TOKENIZERS[kind].encode("".join(part), add_special_tokens=False).ids for part in (thought, said)]
    ids = [*([] if is_open else [thinking.begin_token_id]), *spelled[0], thinking.end_token_id, *spelled[1]]
    batches = data.draw(st.lists(st.integers(1, 5), max_size=8))
    opened = Thinking(BEGIN, END, thinking.begin_token_id, thinking.end_token_id, is_open=is_open)
    answer = complete(vocabulary, opened, ids, batches)
    assert answer.reasoning_content == vocabulary.decode(spelled[0]).strip()
    assert answer.text == vocabulary.decode(spelled[1]).lstrip()
    assert answer.usage.reasoning_tokens == len(ids) - len(spelled[1])


@kinds
def test_an_answer_without_thinking_is_what_it_is_and_no_token_of_it_is_thinking(kind):
    vocabulary, thinking = MARKED[kind]
    ids = TOKENIZERS[kind].encode("\n Tell me.", add_special_tokens=False).ids
    ids = [*ids, thinking.begin_token_id, *ids]
    answer = complete(vocabulary, thinking, ids)
    assert answer.text == vocabulary.decode(ids)
    assert (answer.reasoning_content, answer.usage.reasoning_tokens) == ("", 0)


@kinds
def test_thinking_that_never_ends_leaves_no_answer_and_all_tokens_are_its(kind):
    vocabulary, thinking = MARKED[kind]
    ids = [thinking.begin_token_id, *TOKENIZERS[kind].encode("Tell me. ", add_special_tokens=False).ids]
    answer = complete(vocabulary, thinking, ids)
    assert (answer.reasoning_content, answer.text, answer.finish_reason) == ("Tell me.", "", pb.FINISH_REASON_LENGTH)
    assert answer.usage.reasoning_tokens == answer.usage.completion_tokens == len(ids)


@kinds
def test_stop_sequences_are_looked_for_in_the_answer_only(kind):
    vocabulary, thinking = MARKED[kind]
    story = TOKENIZERS[kind].encode("a story", add_special_tokens=False).ids
    ids = [thinking.begin_token_id, *story, thinking.end_token_id, *story]
    answer = complete(vocabulary, thinking, ids, sequences=("st",))
    assert (answer.reasoning_content, answer.text, answer.matched_stop) == ("a story", "a ", "st")
    answer = complete(
        PLAIN[kind], AS_TEXT, TOKENIZERS[kind].encode("<think>a story</think>a story").ids[1:], sequences=("st",)
    )
    assert (answer.reasoning_content, answer.text, answer.matched_stop) == ("a story", "a ", "st")


@kinds
def test_behind_the_thinking_a_marker_is_text(kind):
    vocabulary, thinking = MARKED[kind]
    hm = TOKENIZERS[kind].encode("hm", add_special_tokens=False).ids
    ids = [thinking.begin_token_id, *hm, thinking.end_token_id, *hm, thinking.begin_token_id, thinking.end_token_id]
    assert complete(vocabulary, thinking, ids).text == vocabulary.decode(ids[2 + len(hm) :])


def test_a_call_of_a_tool_is_looked_for_behind_the_thinking():
    vocabulary, thinking = MARKED["level"]
    call = TOKENIZERS["level"].encode('{"name": "f", "parameters": {}}', add_special_tokens=False).ids
    ids = [thinking.begin_token_id, *call, thinking.end_token_id, *call]
    request = RequestInfo("id", "model", num_prompt_tokens=7, max_tokens=1000, started_at=0.0)
    completion = Completion(request, vocabulary, Stops(), ["f"], METRICS, thinking)
    parts = [completion.add(EngineOutput([token_id], None)) for token_id in ids[:-1]]
    answer = join(filter(None, [*parts, completion.add(EngineOutput(ids[-1:], FinishReason.STOP))]))
    assert answer.reasoning_content == '{"name": "f", "parameters": {}}'
    assert ([found.name for found in answer.tool_calls], answer.text) == (["f"], "")
    assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS
