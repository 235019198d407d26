"""Conversations that a chat template is tried with at load, so that a broken one is told before a request meets it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import TemplateError

from service.errors import InvalidRequestError
from service.prompts.conversation import Entry

Render: TypeAlias = Callable[[list[Entry], list[Entry] | None], str]
"""Writes messages and tools as the chat template does."""

_TEXT = "Where is New York?"
_QUESTION: Entry = {"role": "user", "content": _TEXT}
_ANSWER: Entry = {"role": "assistant", "content": "In the north-east."}
_FUNCTION = {"name": "search", "description": "", "parameters": {"type": "object", "properties": {}}}
_CALL = {"type": "function", "id": "a1b2c3d4e", "function": {"name": "search", "arguments": {"text": "New York"}}}

CONVERSATIONS: Mapping[str, Sequence[Entry]] = {
    "a user's message": [_QUESTION],
    "a question, an answer and a question": [_QUESTION, _ANSWER, _QUESTION],
    "a system's message and a user's": [{"role": "system", "content": "Be brief."}, _QUESTION],
}
WITH_TOOLS: Mapping[str, Sequence[Entry]] = {
    "a tool, its call and its result": [
        _QUESTION,
        {"role": "assistant", "content": "", "tool_calls": [_CALL]},
        {"role": "tool", "name": "search", "tool_call_id": "a1b2c3d4e", "content": "north-east"},
    ]
}


@dataclass(frozen=True, slots=True)
class Trials:
    """How a chat template has written the trial conversations.

    Attributes:
        written: What it has written of those that it did not refuse.
        problem: What is broken; empty if nothing is.
    """

    written: tuple[str, ...]
    problem: str


def try_template(render: Render, *, has_tools: bool) -> Trials:
    """Tries a template with each conversation.

    It may refuse some by `raise_exception`, as templates do that know no system. It is broken if it fails in another
    way, refuses even one message of a user, or leaves out what that says.

    Args:
        render: Writes messages; raises InvalidRequestError from what the template has raised.
        has_tools: Whether the model is told of tools by it.
    """
    written, problem = [], ""
    for name, messages in {**CONVERSATIONS, **(WITH_TOOLS if has_tools else {})}.items():
        tools = [{"type": "function", "function": _FUNCTION}] if name in WITH_TOOLS else None
        try:
            written.append(render(list(messages), tools))
        except InvalidRequestError as error:
            is_refusal = type(error.__cause__) is TemplateError and len(messages) > 1
            problem = problem or ("" if is_refusal else f"it fails for {name}: {error}")
    if not problem and _TEXT not in written[0]:
        problem = "it leaves out what a user says"
    return Trials(tuple(written), problem)
