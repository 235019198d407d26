"""The catalog: which models there are, where their weights come from and what they take."""

import dataclasses
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILT_IN = Path(__file__).with_name("catalog.toml")
QUANTIZATIONS = ("", "int8", "awq", "gptq")
TOOL_CALL_FORMATS = ("", "llama3_json")
DTYPES = ("auto", "float16", "bfloat16", "float32", "float64")
TOKEN_LIMITS = (
    "max_prompt_tokens",
    "max_completion_tokens",
    "context_window",
    "default_max_tokens",
    "default_max_tokens_streamed",
)

_AT_LEAST_1 = "an integer of at least 1"
_NO_KEYS = ("id", "catalog_file")
_HUB_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)


class CatalogError(ValueError):
    """A catalog file is wrong; the message names the file, the key and what is expected there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """One model of the catalog.

    Attributes:
        id: What clients name.
        description: What it is, in a sentence.
        checkpoint: Where its weights are: a hub id, or the absolute path of a folder.
        max_prompt_tokens: The most tokens of a prompt.
        max_completion_tokens: The most tokens of a completion.
        context_window: The most tokens of both together.
        default_max_tokens: The `max_tokens` of requests that leave it unset.
        default_max_tokens_streamed: The same on surfaces that have another default for streamed answers.
        dtype: The torch dtype to compute in, one of `DTYPES`; "auto" is the checkpoint's own.
        quantization: How the weights are kept, one of `QUANTIZATIONS`; plain ones are quantized to "int8" at load, and
            an empty one takes them as the checkpoint has them.
        default_system_prompt: The system message before a single prompt; empty for none.
        license: The licence's name or address.
        tool_call_format: How the checkpoint was trained to write tool calls, one of `TOOL_CALL_FORMATS`; empty if it
            was not.
        chat_template: The absolute path of the chat template for a checkpoint that has none of its own; empty for none.
        revision: The commit, tag or branch of a checkpoint on the hub.
        download_mib: What `pull` fetches; 0 if that is not known.
        memory_mib: What the loaded weights take with a KV cache for one context window; 0 if that is not known.
        catalog_file: The absolute path of the catalog that describes it; empty for the built-in one.
    """

    id: str
    description: str
    checkpoint: str
    max_prompt_tokens: int
    max_completion_tokens: int
    context_window: int
    default_max_tokens: int
    default_max_tokens_streamed: int
    dtype: str = "auto"
    quantization: str = ""
    default_system_prompt: str = ""
    license: str = ""
    tool_call_format: str = ""
    chat_template: str = ""
    revision: str = "main"
    download_mib: int = 0
    memory_mib: int = 0
    catalog_file: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether the checkpoint is a folder of this machine and not one of the hub."""
        return Path(self.checkpoint).is_absolute()


Catalog = Mapping[str, CatalogModel]


def load_catalog(*paths: Path) -> Catalog:
    """Reads catalog files, the built-in one first; where two describe a model, the later one counts.

    Raises:
        CatalogError: A file can't be read or has a mistake.
    """
    models: dict[str, CatalogModel] = {}
    for path in (BUILT_IN, *paths):
        models.update(_read(path))
    return models


def _read(path: Path) -> dict[str, CatalogModel]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: is not TOML: {error}") from error
    unknown = sorted(document.keys() - {"models"})
    if unknown:
        raise CatalogError(f'{path}: {unknown[0]}: is not known; expected only tables [models."<id>"]')
    tables = document.get("models", {})
    if not isinstance(tables, dict):
        raise CatalogError(f'{path}: models: expected tables [models."<id>"]')
    return {model_id: _to_model(path, model_id, table) for model_id, table in tables.items()}


def _to_model(path: Path, model_id: str, table: object) -> CatalogModel:
    where = f'{path}: models."{model_id}"'
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: expected a table")
    _check_keys(where, table)
    model = CatalogModel(id=model_id, catalog_file="" if path == BUILT_IN else str(path.absolute()), **table)
    _check_limits(where, model)
    _check_choice(f"{where}.quantization", model.quantization, QUANTIZATIONS)
    _check_choice(f"{where}.dtype", model.dtype, DTYPES)
    _check_choice(f"{where}.tool_call_format", model.tool_call_format, TOOL_CALL_FORMATS)
    if not model.revision:
        raise CatalogError(f"{where}.revision: is ''; expected a commit, a tag or a branch")
    if model.checkpoint.startswith((".", "/", "~")):
        model = dataclasses.replace(model, checkpoint=_absolute(path, model.checkpoint))
        if "revision" in table:
            raise CatalogError(f"{where}.revision: is {model.revision!r}; expected none, as the checkpoint is a folder")
    elif not _HUB_ID.fullmatch(model.checkpoint):
        expected = "a hub id (owner/name), or a folder that begins with '.', '/' or '~'"
        raise CatalogError(f"{where}.checkpoint: is {model.checkpoint!r}; expected {expected}")
    if model.chat_template:
        model = dataclasses.replace(model, chat_template=_absolute(path, model.chat_template))
        if not Path(model.chat_template).is_file():
            raise CatalogError(f"{where}.chat_template: is {model.chat_template!r}; expected a file that is there")
    return model


def _absolute(path: Path, name: str) -> str:
    """Where a path leads that stands in a catalog: it is relative to the catalog's own folder."""
    return str((path.parent / Path(name).expanduser()).resolve())


def _check_keys(where: str, table: dict[str, Any]) -> None:
    types = {name: kind for name, kind in typing.get_type_hints(CatalogModel).items() if name not in _NO_KEYS}
    for name, value in table.items():
        if name not in types:
            raise CatalogError(f"{where}.{name}: is not known; expected one of {', '.join(types)}")
        # bool is an int to isinstance
        if type(value) is not types[name]:
            raise CatalogError(f"{where}.{name}: is {value!r}; expected {_words(types[name])}")
        if types[name] is int and value < 1:
            raise CatalogError(f"{where}.{name}: is {value}; expected {_AT_LEAST_1}")
    required = [field.name for field in dataclasses.fields(CatalogModel) if field.default is dataclasses.MISSING]
    for name in required:
        if name not in ("id", *table):
            raise CatalogError(f"{where}.{name}: is missing; expected {_words(types[name])}")


def _check_limits(where: str, model: CatalogModel) -> None:
    limits: dict[str, int] = {name: getattr(model, name) for name in TOKEN_LIMITS}
    for name, value in limits.items():
        if value > model.context_window:
            raise CatalogError(f"{where}.{name}: is {value}; expected at most context_window, {model.context_window}")
    for name in ("default_max_tokens", "default_max_tokens_streamed"):
        if limits[name] > model.max_completion_tokens:
            most = model.max_completion_tokens
            raise CatalogError(f"{where}.{name}: is {limits[name]}; expected at most max_completion_tokens, {most}")


def _check_choice(where: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CatalogError(f"{where}: is {value!r}; expected one of {', '.join(map(repr, choices))}")


def _words(kind: type) -> str:
    return _AT_LEAST_1 if kind is int else "a string"
