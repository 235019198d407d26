"""Whether a request wants a tool called in any case, and whether the answer has the call."""

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError


def is_call_forced(request: pb.RunRequest) -> bool:
    """Whether the answer must be a call: `tool_choice` is "required" or names a tool."""
    choice = request.tool_choice
    return bool(choice.name) or choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED


def check_forced_call(request: pb.RunRequest, last: pb.RunResponse | pb.RunStreamResponse) -> None:
    """Refuses to pass off for an answer what a forced call was cut down to.

    Args:
        request: What the service was sent.
        last: The whole answer, or the last part of a streamed one.

    Raises:
        AiError: The answer had to be a call and is none, or not a whole one.
    """
    if last.finish_reason == pb.FINISH_REASON_TOOL_CALLS or not is_call_forced(request):
        return
    if last.finish_reason == pb.FINISH_REASON_LENGTH:
        num_tokens = last.usage.completion_tokens
        raise AiError("TOOL_CALL_CUT", f"'/max_tokens' has cut the tool call at {num_tokens}, ask for more")
    message = "a stop sequence or token has cut the tool call, leave '/stop' and '/stop_token_ids' out"
    raise AiError("TOOL_CALL_CUT", message)
