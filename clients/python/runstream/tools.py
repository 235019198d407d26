"""Tools and the choice among them: from pydantic models, dicts like OpenAI's, or dataclasses."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeGuard

from runstream.fields import json_text, set_field, shown
from runstream.spelling import check_names
from runstream.v1 import text_generation_pb2 as pb


class JsonModel(Protocol):
    """A class that stands for a JSON Schema, as pydantic's models do."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Its JSON Schema."""

    @classmethod
    def model_validate_json(cls, json_data: str, /) -> Self:
        """An instance from JSON."""


Schema = type[JsonModel] | Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call.

    Attributes:
        name: Its name: 1 to 256 letters, digits, "_", "-", ".", ":" and "/".
        description: What it does, for the model to read.
        parameters: The JSON Schema of its arguments, as a pydantic model, a dict or JSON; None for no arguments.
    """

    name: str
    description: str = ""
    parameters: Schema | None = None


ToolLike = Tool | type[JsonModel] | Mapping[str, Any] | pb.Tool
ToolChoiceLike = str | type[JsonModel] | Mapping[str, Any] | pb.ToolChoice

_NOT_IN_NAMES: Final = re.compile("[^A-Za-z0-9_.:/-]")
_MODES: Final = {
    "auto": pb.TOOL_CHOICE_MODE_AUTO,
    "none": pb.TOOL_CHOICE_MODE_NONE,
    "required": pb.TOOL_CHOICE_MODE_REQUIRED,
}


def is_json_model(value: object) -> TypeGuard[type[JsonModel]]:
    """Tells whether a value is a class that stands for a JSON Schema."""
    return isinstance(value, type) and hasattr(value, "model_json_schema") and hasattr(value, "model_validate_json")


def schema_json(schema: Any, where: str) -> str:
    """Writes a JSON Schema as text.

    Raises:
        TypeError: It is none.
        ValueError: JSON can't have it.
    """
    if is_json_model(schema):
        return json_text(schema.model_json_schema(), where)
    if isinstance(schema, str):
        return schema
    if isinstance(schema, Mapping):
        return json_text(schema, where)
    raise TypeError(f"{where} is of type {type(schema).__name__}: give a pydantic model, a dict or JSON")


def check_function_type(value: Mapping[str, Any], where: str) -> None:
    """Refuses a tool, a choice or a call that says another type than that of functions.

    Raises:
        TypeError: It does.
    """
    kind = value.get("type")
    if kind not in (None, "function"):
        raise TypeError(f"{where}.type is {shown(kind)}: models here call functions only")


def to_tool(tool: ToolLike, where: str) -> pb.Tool:
    """Translates a tool to the contract's.

    Raises:
        TypeError: It has a key or a value that no tool has.
    """
    if isinstance(tool, pb.Tool):
        return tool
    if is_json_model(tool):
        return _tool(_name(tool), _description(tool), tool, where)
    if isinstance(tool, Tool):
        return _tool(tool.name, tool.description, tool.parameters, where)
    if not isinstance(tool, Mapping):
        raise TypeError(f"{where} is of type {type(tool).__name__}: give a pydantic model, a dict or a runstream.Tool")
    check_function_type(tool, where)
    function, keys = tool, {"type", "name", "description", "parameters"}
    if isinstance(tool.get("function"), Mapping):
        check_names(tool, ("type", "function"), where)
        function, keys = tool["function"], keys - {"type"}
    # OpenAI's `strict` asks for what a call that must be made always has here; of others it is not promised.
    check_names(function, keys, where)
    return _tool(function.get("name"), function.get("description"), function.get("parameters"), where)


def _tool(name: Any, description: Any, parameters: Any, where: str) -> pb.Tool:
    if not isinstance(name, str):
        raise TypeError(f"{where} has no name")
    made = pb.Tool()
    set_field(made, "name", name, f"{where}.name")
    if description is not None:
        set_field(made, "description", description, f"{where}.description")
    if parameters is not None:
        set_field(made, "parameters_json", schema_json(parameters, f"{where}.parameters"), f"{where}.parameters")
    return made


def _name(tool: type[JsonModel]) -> str:
    # That of a generic model has brackets: Box[int].
    return _NOT_IN_NAMES.sub("_", tool.__name__)


def _description(tool: type[JsonModel]) -> str:
    # The class's own: pydantic's base has one, too. That of Box[int] is Box's.
    written = getattr(tool, "__pydantic_generic_metadata__", {}).get("origin") or tool
    return inspect.cleandoc(written.__dict__.get("__doc__") or "")


def to_tool_choice(choice: ToolChoiceLike) -> pb.ToolChoice:
    """Translates a choice to the contract's: "auto", "none", "required" or a tool's name.

    Raises:
        TypeError: It is no choice.
    """
    if isinstance(choice, pb.ToolChoice):
        return choice
    if is_json_model(choice):
        return _named(_name(choice))
    if isinstance(choice, str):
        return pb.ToolChoice(mode=_MODES[choice]) if choice in _MODES else _named(choice)
    if isinstance(choice, Mapping):
        function: Any = choice
        keys, where = {"type", "name"}, "tool_choice"
        check_function_type(choice, where)
        if "function" in choice:
            check_names(choice, ("type", "function"), where)
            function, keys, where = choice["function"], {"name"}, "tool_choice.function"
        if isinstance(function, Mapping):
            check_names(function, keys, where)
            if isinstance(function.get("name"), str):
                return _named(function["name"])
    raise TypeError(f'tool_choice is {shown(choice)}: give "auto", "none", "required" or the name of a tool')


def _named(name: str) -> pb.ToolChoice:
    made = pb.ToolChoice()
    set_field(made, "name", name, "tool_choice")
    return made
