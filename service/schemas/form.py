"""The form of a completion: what the engine keeps to while it generates, and what is checked of it at the end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.engine_protocol.messages import GrammarSpec
from service.errors import InvalidRequestError, UnsatisfiableFormatError
from service.schemas.endless_schema import is_endless
from service.schemas.json_schema import normalized


@dataclass(frozen=True, slots=True)
class Form:
    """What is promised of a completion.

    Attributes:
        grammar: What the engine is told.
        schema: The JSON Schema, as JSON, that the whole text fits; empty if none is asked for.
        schemas_of_tools: Those that the arguments of calls fit, by the tool's name.
    """

    grammar: GrammarSpec
    schema: str = ""
    schemas_of_tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def schemas(self) -> list[str]:
        """All schemas, each once."""
        return list(dict.fromkeys([*filter(None, [self.schema]), *self.schemas_of_tools.values()]))


def modern_schema(schema: Any, field: str) -> Any:
    """A client's JSON Schema, normalized.

    Raises:
        UnsatisfiableFormatError: No finite value fits it.
        InvalidRequestError: It has a value that readers of JSON do not keep exactly.
    """
    try:
        modern = normalized(schema)
    except ValueError as error:
        raise InvalidRequestError(f"{field} can't be read: {error}", field) from None
    if is_endless(modern):
        raise UnsatisfiableFormatError(
            f"{field} can't be met: its $ref lead in circles, and no value comes to an end", field
        )
    return modern


def as_json(schema: Any) -> str:
    """A schema as `Form` holds it."""
    return json.dumps(schema, separators=(",", ":"))
