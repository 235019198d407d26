"""The items of a response's output as they grow: what each is, and the events that tell of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

IN_PROGRESS: Final = "in_progress"
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"


class Event(NamedTuple):
    """One event of a response's stream, but for its number.

    Attributes:
        type: What it tells.
        fields: The rest of it.
    """

    type: str
    fields: Json


class OutputItem(ABC):
    """One item.

    Args:
        item_id: Its id.
        index: Its place in the output.
    """

    def __init__(self, item_id: str, index: int) -> None:
        self._id = item_id
        self._index = index

    @abstractmethod
    def value(self, status: str) -> Json:
        """The item as it is now."""

    @abstractmethod
    def last_events(self) -> Iterator[Event]:
        """Tells that what it holds is whole."""

    def begin(self) -> Iterator[Event]:
        """Tells of the item, which is empty yet."""
        yield Event("response.output_item.added", {"output_index": self._index, "item": self.value(IN_PROGRESS)})

    def end(self, status: str) -> Iterator[Event]:
        """Tells the whole item."""
        yield from self.last_events()
        yield Event("response.output_item.done", {"output_index": self._index, "item": self.value(status)})

    @property
    def place(self) -> Json:
        """The fields that tell in events which item they are about."""
        return {"item_id": self._id, "output_index": self._index}


class TextItem(OutputItem):
    """An item with one part of text: a message, or what the model has thought."""

    part_type: str
    event_type: str

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__(item_id, index)
        self._pieces: list[str] = []
        self._has_part = False

    def begin(self) -> Iterator[Event]:
        """Tells of the item and of its part."""
        yield from super().begin()
        self._has_part = True
        yield Event("response.content_part.added", {**self.place, "content_index": 0, "part": self._part()})

    def last_events(self) -> Iterator[Event]:
        """Tells the whole text, and the part with it."""
        text = {"text": "".join(self._pieces), **self._beside_text()}
        yield Event(f"{self.event_type}.done", {**self.place, "content_index": 0, **text})
        yield Event("response.content_part.done", {**self.place, "content_index": 0, "part": self._part()})

    def grow(self, text: str) -> None:
        """Adds what follows in the text."""
        self._pieces.append(text)

    def delta(self, text: str, **beside: Any) -> Event:
        """Tells what follows in the text."""
        return Event(f"{self.event_type}.delta", {**self.place, "content_index": 0, "delta": text, **beside})

    @property
    def content(self) -> list[Json]:
        """Its part, once there is one."""
        return [self._part()] if self._has_part else []

    def _part(self) -> Json:
        return {"type": self.part_type, "text": "".join(self._pieces)}

    def _beside_text(self) -> Json:
        return {}


class Message(TextItem):
    """The text of the answer."""

    part_type = "output_text"
    event_type = "response.output_text"

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__(item_id, index)
        self._logprobs: list[Json] = []

    def add(self, text: str, logprobs: list[Json]) -> Event:
        """The next part of the text, and the tokens that it is made of if they are to be told."""
        self._logprobs += logprobs
        self.grow(text)
        return self.delta(text, logprobs=logprobs)

    def leave_out(self, num_tokens: int) -> None:
        """Tells nothing any more of its first tokens, which were none of its text."""
        del self._logprobs[:num_tokens]

    def value(self, status: str) -> Json:
        """The message as it is now."""
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": self.content}

    def _part(self) -> Json:
        return {**super()._part(), "annotations": [], **self._beside_text()}

    def _beside_text(self) -> Json:
        return {"logprobs": list(self._logprobs)}


class Thought(TextItem):
    """The thoughts of the model before its answer, a reasoning item."""

    part_type = "reasoning_text"
    event_type = "response.reasoning_text"

    def add(self, text: str) -> Event:
        """The next part of it."""
        self.grow(text)
        return self.delta(text)

    def value(self, status: str) -> Json:
        """The item as it is now; it has no summary, since its text is there."""
        return {"id": self._id, "type": "reasoning", "status": status, "summary": [], "content": self.content}


class FunctionCall(OutputItem):
    """A call of a function.

    Args:
        item_id: The item's id.
        index: Its place in the output.
        call_id: The call's id, which its output repeats.
        name: The function's name.
    """

    def __init__(self, item_id: str, index: int, call_id: str, name: str) -> None:
        super().__init__(item_id, index)
        self._call_id, self._name = call_id, name
        self._arguments = ""

    def add(self, arguments: str) -> Event:
        """The next part of the arguments, JSON."""
        self._arguments += arguments
        return Event("response.function_call_arguments.delta", {**self.place, "delta": arguments})

    def value(self, status: str) -> Json:
        """The call as it is now."""
        call = {"call_id": self._call_id, "name": self._name, "arguments": self._arguments}
        return {"id": self._id, "type": "function_call", "status": status, **call}

    def last_events(self) -> Iterator[Event]:
        """Tells the whole arguments."""
        told = {"name": self._name, "arguments": self._arguments}
        yield Event("response.function_call_arguments.done", {**self.place, **told})
