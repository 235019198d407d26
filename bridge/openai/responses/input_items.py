"""From the input of `responses`, a text or items, to the messages of a conversation.

An assistant's text and the calls behind it are items of their own here, and one message to a chat template.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.validation.refused_fields import MEDIA, check
from bridge.workers_ai.translation import to_message
from logs.clipping import clipped


def read_input(fields: Mapping[str, Any]) -> tuple[list[pb.Message], dict[str, str]]:
    """Reads `instructions` and `input`.

    Args:
        fields: The checked body.

    Returns:
        The messages, and as in `bridge.spelling` where the body has what may be found fault with in them.

    Raises:
        AiError: There is an item or a part that is not read here.
    """
    reader = _Reader()
    if "instructions" in fields:
        reader.add_text("system", fields["instructions"], "/instructions")
    if isinstance(fields["input"], str):
        reader.add_text("user", fields["input"], "/input")
    else:
        for index, item in enumerate(fields["input"]):
            reader.add_item(item, f"/input/{index}")
    return reader.end(), reader.spelling


class _Reader:
    """Makes messages of items, one after the other.

    Attributes:
        spelling: Where the messages stand in the body.
    """

    def __init__(self) -> None:
        self.spelling: dict[str, str] = {}
        self._messages: list[pb.Message] = []
        self._thoughts: dict[int, list[str]] = {}
        self._thought: list[str] = []
        self._thought_at = ""

    def add_text(self, role: str, text: str, place: str) -> None:
        """Adds a message that is one text."""
        self._add({"role": role, "content": text}, place, content=place)

    def add_item(self, item: Mapping[str, Any], place: str) -> None:
        """Adds what an item says.

        Raises:
            AiError: It is none of those that are read here, or says more than text.
        """
        check(item, MEDIA, place)
        match item.get("type") or "message":
            case "message":
                self._add_message(item, place)
            case "function_call":
                self._add_call(item, place)
            case "function_call_output":
                self._add_output(item, place)
            case "reasoning":
                self._thought += [part["text"] for part in _content(item.get("content"), f"{place}/content")]
                self._thought_at = place
            case "item_reference":
                raise AiError("INVALID_REQUEST", f"'{place}' is a reference, send the item: responses are not kept")
            case kind:
                advice = "only messages, function calls, their outputs and reasoning are read here"
                raise AiError("INVALID_REQUEST", f"'{place}/type' is '{clipped(kind)}', but {advice}")

    def end(self) -> list[pb.Message]:
        """All messages, with what was thought before each."""
        self._end_thought()
        for number, thoughts in self._thoughts.items():
            self._messages[number].reasoning_content = "".join(thoughts)
        return self._messages

    def _end_thought(self) -> None:
        """Lets thinking that nothing of its assistant follows be a message of its own."""
        if self._thought:
            self._add({"role": "assistant"}, self._thought_at)
            self._tell_thought()

    def _add_message(self, item: Mapping[str, Any], place: str) -> None:
        role = "system" if item["role"] == "developer" else item["role"]
        content = _content(item["content"], f"{place}/content")
        if role != "assistant":
            self._end_thought()
        self._add({"role": role, "content": content}, place)
        if role == "assistant":
            self._tell_thought()

    def _tell_thought(self) -> None:
        """Lets the last message be what was said behind the thinking before it."""
        if self._thought:
            number = len(self._messages) - 1
            self._thoughts.setdefault(number, []).extend(self._thought)
            self.spelling[f"/messages/{number}/reasoning_content"] = f"{self._thought_at}/content"
            self._thought.clear()

    def _add(self, message: dict[str, Any], place: str, **places: str) -> None:
        made = f"/messages/{len(self._messages)}"
        self._messages.append(to_message(message))
        self.spelling |= {made: place, **{f"{made}/{name}": spelled for name, spelled in places.items()}}

    def _add_output(self, item: Mapping[str, Any], place: str) -> None:
        self._end_thought()
        content = _content(item["output"], f"{place}/output")
        message = {"role": "tool", "content": content, "name": item.get("name"), "tool_call_id": item.get("call_id")}
        self._add(message, place, content=f"{place}/output", tool_call_id=f"{place}/call_id")

    def _add_call(self, item: Mapping[str, Any], place: str) -> None:
        if not self._messages or self._messages[-1].role != "assistant":
            self._add({"role": "assistant"}, place)
        self._tell_thought()
        calls = self._messages[-1].tool_calls
        made = f"/messages/{len(self._messages) - 1}/tool_calls/{len(calls)}"
        calls.append(pb.ToolCall(id=item["call_id"] or "", name=item["name"], arguments_json=item["arguments"]))
        self.spelling |= {made: place, f"{made}/id": f"{place}/call_id"}


def _content(content: Any, place: str) -> list[dict[str, str]]:
    """The texts of a content, as parts of a message."""
    if isinstance(content, str):
        return [{"text": content}]
    return [{"text": text} for text in _texts(content or (), place)]


def _texts(parts: Any, place: str) -> Iterator[str]:
    for index, part in enumerate(parts):
        where = f"{place}/{index}"
        check(part, MEDIA, where)
        kind = part["type"]
        name = "refusal" if kind == "refusal" else "text"
        if kind not in ("input_text", "output_text", "reasoning_text", "refusal"):
            raise AiError("INVALID_REQUEST", f"'{where}/type' is '{clipped(kind)}', but the models here read only text")
        if name not in part:
            raise AiError("INVALID_REQUEST", f"required properties at '{where}' are 'type,{name}'")
        yield part[name]
