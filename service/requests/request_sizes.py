"""How many entries and characters a request's messages and tools may have: checked before any of them is read."""

from collections.abc import Iterable, Sequence, Sized

from runstream.v1 import text_generation_pb2 as pb

from service.errors import ContextWindowExceededError, InvalidRequestError

# As many as the bridge's largest body has. Tokenizing them takes seconds and 200 MB.
MAX_PROMPT_CHARACTERS = 2_097_152

MAX_MESSAGES = 4096
MAX_PARTS, MAX_ALL_PARTS = 1024, 16_384
MAX_CALLS, MAX_ALL_CALLS = 128, 8192
MAX_ROLE_CHARACTERS = 64
MAX_ID_CHARACTERS = 4096
MAX_NAME_CHARACTERS = 1024
MAX_TOOLS = 128
MAX_DESCRIPTION_CHARACTERS = 65_536


def check_sizes(request: pb.RunRequest) -> None:
    """Checks a request's lists and then the texts in them; limits of fields that have a check of their own are there.

    Raises:
        InvalidRequestError: One is too long.
    """
    messages = request.conversation.messages
    check_number("conversation.messages", messages, MAX_MESSAGES, "messages")
    check_number("tools", request.tools, MAX_TOOLS, "tools")
    _check_numbers(messages, "content", "parts", MAX_PARTS, MAX_ALL_PARTS)
    _check_numbers(messages, "tool_calls", "calls", MAX_CALLS, MAX_ALL_CALLS)
    for index, message in enumerate(messages):
        field = f"conversation.messages[{index}]"
        _check_length(f"{field}.role", message.role, MAX_ROLE_CHARACTERS)
        _check_length(f"{field}.name", message.name, MAX_NAME_CHARACTERS)
        _check_length(f"{field}.tool_call_id", message.tool_call_id, MAX_ID_CHARACTERS)
        for call_index, call in enumerate(message.tool_calls):
            _check_length(f"{field}.tool_calls[{call_index}].id", call.id, MAX_ID_CHARACTERS)
    for index, tool in enumerate(request.tools):
        _check_length(f"tools[{index}].description", tool.description, MAX_DESCRIPTION_CHARACTERS)


def _check_numbers(messages: Sequence[pb.Message], name: str, unit: str, most: int, most_together: int) -> None:
    numbers = [len(entries) for entries in _lists(messages, name)]
    for index, number in enumerate(numbers):
        if number > most:
            field = f"conversation.messages[{index}].{name}"
            raise InvalidRequestError(f"{field} has {number} {unit}: send at most {most}", field)
    if sum(numbers) > most_together:
        field = "conversation.messages"
        raise InvalidRequestError(f"{field} has {sum(numbers)} {unit}: send at most {most_together}", field)


def _lists(messages: Sequence[pb.Message], name: str) -> Iterable[Sized]:
    return (getattr(message, name) for message in messages)


def check_number(field: str, entries: Sized, most: int, unit: str) -> None:
    """Checks how many entries a list has, before any of them is read.

    Raises:
        InvalidRequestError: There are more than `most`.
    """
    if len(entries) > most:
        raise InvalidRequestError(f"{field} has {len(entries)} {unit}: send at most {most}", field)


def _check_length(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidRequestError(f"{field} has {len(text)} characters; it may have 0 to {most}", field)


def prompt_texts(request: pb.RunRequest) -> Iterable[str]:
    """All texts of a request that may come to stand in its prompt."""
    yield request.prompt.text
    for message in request.conversation.messages:
        yield from (part.text for part in message.content)
        yield message.reasoning_content
        yield from (call.arguments_json for call in message.tool_calls)
    yield from (tool.description for tool in request.tools)


def check_characters(request: pb.RunRequest) -> None:
    """Checks what bounds the work for a prompt whatever the model, also of one that is to be cut or only counted.

    Raises:
        ContextWindowExceededError: It has more than `MAX_PROMPT_CHARACTERS`.
    """
    if request.ByteSize() <= MAX_PROMPT_CHARACTERS:
        return
    num_characters = sum(map(len, prompt_texts(request)))
    if num_characters > MAX_PROMPT_CHARACTERS:
        raise ContextWindowExceededError(
            f"the prompt has {num_characters} characters; {MAX_PROMPT_CHARACTERS} are the most",
            "input",
            num_characters=num_characters,
            max_prompt_characters=MAX_PROMPT_CHARACTERS,
        )
