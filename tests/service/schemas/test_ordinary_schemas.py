"""Schemas as zod, pydantic, OpenAI's helpers and MCP servers write them are taken, and values that fit are written."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import AnyUrl, BaseModel, Field, TypeAdapter, conint, conlist, constr

from service.requests.response_format import to_form
from tests.support.promise import Promise
from tests.support.random_schemas import fits
from tests.support.run_requests import with_schema

ZOD: dict[str, Any] = json.loads(Path(__file__).with_name("zod_schemas.json").read_text(encoding="utf-8"))
"""What z.toJSONSchema of zod 4.6.7 writes, for draft 2020-12, and for draft 7 where that differs."""


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: conint(ge=1, le=9)  # type: ignore[valid-type]


class Dog(BaseModel):
    kind: Literal["dog"]
    name: constr(min_length=1, max_length=5, pattern="^[a-z]+$")  # type: ignore[valid-type]


class Tree(BaseModel):
    value: bool
    children: list["Tree"] = Field(max_length=1)


class Order(BaseModel):
    """A docstring is a description."""

    count: int = Field(gt=0, lt=100, title="How many", examples=[3])
    price: Annotated[float, Field(gt=0, le=0.5)]
    color: Color | None = None
    extra: dict[str, bool] = {}


PYDANTIC: dict[str, Any] = {
    "set": set[Literal["a", "b", "c"]],
    "frozenset": frozenset[bool],
    "keys": dict[Literal["x", "y"], bool],
    "enum keys": dict[Color, bool],
    "pattern keys": dict[Annotated[str, Field(pattern="^[a-z]{2}$")], bool],
    "date": date,
    "datetime": datetime,
    "timedelta": timedelta,
    "uuid": UUID,
    "url": AnyUrl,
    "bytes": bytes,
    "decimal": Annotated[Decimal, Field(max_digits=4, decimal_places=2)],
    "step": Annotated[float, Field(multiple_of=0.1, ge=0, le=1)],
    "tuple": tuple[bool, Color],
    "list": conlist(bool, min_length=1, max_length=2),
    "union": Annotated[Cat | Dog, Field(discriminator="kind")],
    "tree": Tree,
    "order": Order,
}

HELPERS: dict[str, Any] = {
    "strict": to_strict_json_schema(Order),
    "strict tree": to_strict_json_schema(Tree),
    "float lengths": {"type": "string", "minLength": 1.0, "maxLength": 3.0},
    "nothing but a title": {"title": "Anything"},
    "an int64": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 9223372036854775807},
    "nullable": {"type": "string", "nullable": True, "maxLength": 3, "x-order": 1},
}

SCHEMAS = {
    **{f"zod {name}": schema for name, schema in ZOD.items()},
    **{f"pydantic {name}": TypeAdapter(kind).json_schema() for name, kind in PYDANTIC.items()},
    **HELPERS,
}


@pytest.fixture(scope="module")
def promise() -> Iterator[Promise]:
    with closing(Promise()) as promise:
        yield promise


RARE = {"zod ends_with": '"abz"', "zod emoji": '"👍"', "zod email": '"a@b.co"', "zod url": '"https://a.b/c"'}
"""What fits schemas that a model without any idea hardly ever writes."""


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name not in RARE])
def test_a_schema_as_libraries_write_it_is_kept(promise: Promise, name: str) -> None:
    form = to_form(with_schema(SCHEMAS[name]))
    assert form is not None
    written = [text for seed in range(12) if (text := promise.write(form, seed)) is not None]
    whole = [text for text in written if not promise.refusal(form, text)]
    assert whole, [promise.refusal(form, text) for text in written]
    assert "draft 7" in name or all(fits(SCHEMAS[name], text) for text in whole)


@pytest.mark.parametrize(("name", "value"), RARE.items())
def test_a_schema_as_libraries_write_it_allows_what_fits(promise: Promise, name: str, value: str) -> None:
    form = to_form(with_schema(SCHEMAS[name]))
    assert form is not None
    assert promise.allows(form, value)
    assert not promise.refusal(form, value)
    assert promise.refusal(form, '"A b"')
