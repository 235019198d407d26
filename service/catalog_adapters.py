"""LoRA adapters in the catalog: each is listed as a model of its own that has all but its name from its base."""

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.catalog import Catalog, CatalogError, absolute, load_catalog, read_document

MAX_NAME_CHARACTERS = 128

_NAME = re.compile(rf"[\w@][\w@./:+-]{{0,{MAX_NAME_CHARACTERS - 1}}}", re.ASCII)
_KEYS = ("base", "path", "description")
_MODULE_KEYS = ("name", "path", "base_model_name")


@dataclass(frozen=True, slots=True)
class CatalogAdapter:
    """A LoRA adapter that a catalog, or the command line, gives a model.

    Attributes:
        name: What clients name, as a model or as a model's `lora`.
        folder: Where PEFT saved it.
        base: The id of the model; empty for the only one that is served.
        description: What it is, in a sentence.
        where: Where this is said, for a message.
    """

    name: str
    folder: Path
    base: str
    description: str = ""
    where: str = "--lora-modules"


def load_catalog_with_adapters(*paths: Path, others: Iterable[CatalogAdapter] = ()) -> Catalog:
    """Reads catalog files, with the adapters that these describe; where two describe one, the later one counts.

    Args:
        paths: The files that follow the built-in ones.
        others: More adapters.

    Raises:
        CatalogError: A file can't be read or has a mistake, or an adapter has a name that is taken, or no base.
    """
    adapters: dict[str, CatalogAdapter] = {}
    for path in paths:
        adapters |= _read(path)
    adapters |= {adapter.name: adapter for adapter in others}
    models = dict(load_catalog(*paths))
    for adapter in adapters.values():
        _add(models, adapter)
    return models


def parse_module(text: str) -> CatalogAdapter:
    """Reads a value of --lora-modules as vLLM takes it: NAME=PATH, or JSON with name, path and base_model_name.

    Raises:
        ValueError: It is neither.
    """
    if not text.lstrip().startswith("{"):
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ValueError(f"{text!r} is no NAME=PATH")
        return CatalogAdapter(name.strip(), _folder(path.strip()), "")
    settings = json.loads(text)
    if unknown := sorted(settings.keys() - set(_MODULE_KEYS)):
        raise ValueError(f"{text} has {unknown[0]}; expected {', '.join(_MODULE_KEYS)}")
    if not all(isinstance(value, str) for value in settings.values()) or not {"name", "path"} <= settings.keys():
        raise ValueError(f"{text} has no name and path that are texts")
    return CatalogAdapter(settings["name"], _folder(settings["path"]), settings.get("base_model_name", ""))


def _folder(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _add(models: dict[str, Any], adapter: CatalogAdapter) -> None:
    """Lists an adapter behind the models."""
    if not _NAME.fullmatch(adapter.name):
        expected = f"1 to {MAX_NAME_CHARACTERS} letters, digits and ._@/:+-"
        raise CatalogError(f"{adapter.where}: the adapter's name is {adapter.name!r}; expected {expected}")
    if adapter.name in models:
        raise CatalogError(f"{adapter.where}: there is a model {adapter.name!r} already; expected another name")
    base = models.get(adapter.base)
    if base is None or base.parent or base.replaced_by:
        raise CatalogError(f"{adapter.where}: the base is {adapter.base!r}; expected a model that no other replaces")
    models[adapter.name] = dataclasses.replace(
        base,
        id=adapter.name,
        description=adapter.description or f"A LoRA adapter of {base.id}.",
        parent=base.id,
        adapter=str(adapter.folder),
    )


def _read(path: Path) -> dict[str, CatalogAdapter]:
    tables = read_document(path).get("adapters", {})
    if not isinstance(tables, dict):
        raise CatalogError(f'{path}: adapters: expected tables [adapters."<name>"]')
    return {name: _to_adapter(path, name, table) for name, table in tables.items()}


def _to_adapter(path: Path, name: str, table: object) -> CatalogAdapter:
    where = f'{path}: adapters."{name}"'
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: expected a table")
    for key, value in table.items():
        if key not in _KEYS:
            raise CatalogError(f"{where}.{key}: is not known; expected one of {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise CatalogError(f"{where}.{key}: is {value!r}; expected a string")
    for key in ("base", "path"):
        if not table.get(key):
            raise CatalogError(f"{where}.{key}: is missing; expected a string")
    folder = Path(absolute(path, table["path"]))
    return CatalogAdapter(name, folder, table["base"], table.get("description", ""), where)
