"""What a request's prompt is made of: the fields that matter for it alone, and prompts that are token ids already."""

import enum
from collections.abc import Sequence

from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError

MAX_PROMPT_TOKEN_IDS = 1 << 20
# Together they take about 2 MB in an answer, of which clients take 4 MB by default.
MAX_PROMPT_LOGPROBS = 65_536

_FIELDS = {
    *("model", "prompt", "conversation", "prompt_token_ids", "tools", "tool_choice", "truncate_prompt_tokens"),
    *("chat_template_kwargs_json", "reasoning_effort"),
}
_CONTINUED_ROLES = ("assistant", "user")


class Ending(enum.Enum):
    """How the chat template ends a prompt."""

    ANSWER = "with the beginning of the assistant's next message"
    CLOSED = "with the end of the last message"
    CONTINUED = "within the last message"


def ending_of(conversation: pb.Conversation) -> Ending:
    """How a conversation's prompt is to end; that of a single prompt ends like an empty one's."""
    if conversation.continue_final_message:
        return Ending.CONTINUED
    is_closed = conversation.HasField("add_generation_prompt") and not conversation.add_generation_prompt
    return Ending.CLOSED if is_closed else Ending.ANSWER


def keep_prompt(request: pb.RunRequest) -> None:
    """Clears every field that has no influence on the prompt."""
    for descriptor, _ in request.ListFields():
        if descriptor.name not in _FIELDS:
            request.ClearField(descriptor.name)  # type: ignore[arg-type]  # a literal of its own fields' names


def check_prompt(request: pb.RunRequest) -> None:
    """Checks what `check_request` does not of the prompt's own fields.

    Raises:
        InvalidRequestError: One is out of range, or does not go together with another.
    """
    if request.HasField("truncate_prompt_tokens") and request.truncate_prompt_tokens < 1:
        field = "truncate_prompt_tokens"
        raise InvalidRequestError(f"{field} is {request.truncate_prompt_tokens}; its range is 1 or more", field)
    if request.HasField("prompt_token_ids"):
        num_tokens = len(request.prompt_token_ids.values)
        if not 1 <= num_tokens <= MAX_PROMPT_TOKEN_IDS:
            field = "prompt_token_ids.values"
            raise InvalidRequestError(
                f"{field} has {num_tokens} tokens; it may have 1 to {MAX_PROMPT_TOKEN_IDS}", field
            )
    if request.HasField("conversation"):
        _check_end(request.conversation)


def _check_end(conversation: pb.Conversation) -> None:
    """Checks how the conversation's prompt is to end."""
    adds = conversation.HasField("add_generation_prompt") and conversation.add_generation_prompt
    if adds and (conversation.raw or conversation.continue_final_message):
        field, other = "add_generation_prompt", "raw" if conversation.raw else "continue_final_message"
        message = f"conversation.{field} can't be used together with {other}: leave one of them out"
        raise InvalidRequestError(message, f"conversation.{field}")
    if not conversation.continue_final_message:
        return
    field = "conversation.continue_final_message"
    last = conversation.messages[-1]
    if conversation.raw:
        problem = "can't be used together with raw, which leaves the last message open by itself"
    elif last.role not in _CONTINUED_ROLES:
        problem = f"needs a last message of role {' or '.join(_CONTINUED_ROLES)}"
    elif last.tool_calls:
        problem = "can't continue a message with tool calls"
    elif not any(part.text.strip() for part in last.content):
        problem = "needs a last message with text: leave it out for an answer from its beginning"
    else:
        return
    raise InvalidRequestError(f"{field} {problem}", field)


def check_prompt_token_ids(request: pb.RunRequest, vocab_size: int, *, stands_in: bool) -> None:
    """Checks a prompt of token ids against the model that answers; any other passes.

    Raises:
        InvalidRequestError: It stands in for the one that the request names, or lacks a token.
    """
    if not request.HasField("prompt_token_ids"):
        return
    if stands_in:
        message = (
            "prompt_token_ids are other tokens in the model that stands in for the one asked for: send the text, or "
            "name the model that answers"
        )
        raise InvalidRequestError(message, "prompt_token_ids")
    token_ids = request.prompt_token_ids.values
    if min(token_ids) < 0 or max(token_ids) >= vocab_size:
        check_token_ids("prompt_token_ids.values", token_ids, vocab_size)


def check_token_ids(field: str, token_ids: Sequence[int], vocab_size: int) -> None:
    """Checks tokens that a request names against the vocabulary of the model that answers.

    Raises:
        InvalidRequestError: It lacks one of them.
    """
    for token_id in token_ids:
        if not 0 <= token_id < vocab_size:
            message = f"{field} has token {token_id}; the token ids of the model that answers are 0 to {vocab_size - 1}"
            raise InvalidRequestError(message, field, token_id=token_id, vocab_size=vocab_size)


def num_prompt_logprobs(params: pb.SamplingParams, num_prompt_tokens: int) -> int | None:
    """Of how many most likely tokens log probabilities are told behind each token of a prompt; None for none at all.

    Raises:
        InvalidRequestError: They are more than may be told.
    """
    if not params.HasField("top_prompt_logprobs"):
        return None
    number = num_prompt_tokens * (1 + params.top_prompt_logprobs)
    if number > MAX_PROMPT_LOGPROBS:
        field = "sampling_params.top_prompt_logprobs"
        message = (
            f"{field} asks for {number} log probabilities of the prompt's {num_prompt_tokens} tokens; "
            f"{MAX_PROMPT_LOGPROBS} are the most: ask for fewer, or send a shorter prompt"
        )
        raise InvalidRequestError(message, field, max_prompt_logprobs=MAX_PROMPT_LOGPROBS)
    return params.top_prompt_logprobs
