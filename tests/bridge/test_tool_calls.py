"""Calls of tools, as the bridge reads them from answers and streams."""

import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.tool_calls import ToolCalls, check_forced_call, is_call_forced

REQUIRED = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
NAMED = pb.ToolChoice(name="add")
AUTO = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_AUTO)
CUT = pb.RunResponse(finish_reason=pb.FINISH_REASON_LENGTH, usage=pb.Usage(completion_tokens=3))


@pytest.mark.parametrize(("choice", "is_forced"), [(REQUIRED, True), (NAMED, True), (AUTO, False), (None, False)])
def test_a_call_is_forced_by_required_or_by_a_name(choice, is_forced):
    assert is_call_forced(pb.RunRequest(tool_choice=choice)) is is_forced


@pytest.mark.parametrize("choice", [REQUIRED, NAMED])
def test_a_forced_call_that_max_tokens_has_cut_is_8006(choice):
    with pytest.raises(AiError) as refused:
        check_forced_call(pb.RunRequest(tool_choice=choice), CUT, has_tool_calls=False)
    assert (refused.value.rule.status, refused.value.rule.code) == (400, 8006)
    assert refused.value.description == "'/max_tokens' has cut the tool call at 3, ask for more"


def test_a_forced_call_that_a_stop_sequence_has_cut_is_8006():
    stopped = pb.RunResponse(finish_reason=pb.FINISH_REASON_STOP, matched_stop="}")
    with pytest.raises(AiError, match="a stop sequence has cut"):
        check_forced_call(pb.RunRequest(tool_choice=NAMED), stopped, has_tool_calls=False)


def test_a_call_that_is_there_or_was_not_forced_is_no_mistake():
    check_forced_call(pb.RunRequest(tool_choice=NAMED), CUT, has_tool_calls=True)
    check_forced_call(pb.RunRequest(tool_choice=AUTO), CUT, has_tool_calls=False)


def test_deltas_are_put_together_by_index():
    calls = ToolCalls()
    calls.add([pb.ToolCallDelta(index=1, id="b", name="sub", arguments_json='{"n"')])
    calls.add([pb.ToolCallDelta(index=0, id="a", name="add"), pb.ToolCallDelta(index=1, arguments_json=":4}")])
    calls.add([pb.ToolCallDelta(index=0, arguments_json="{}")])
    assert calls.whole == [
        pb.ToolCall(id="a", name="add", arguments_json="{}"),
        pb.ToolCall(id="b", name="sub", arguments_json='{"n":4}'),
    ]
