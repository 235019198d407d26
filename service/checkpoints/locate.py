"""Where the weights of a model are on this machine."""

import shlex
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from service.catalog import CatalogModel
from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import find_gguf, missing_files
from service.checkpoints.package import find_package
from service.errors import WeightsMissingError


def locate(model: CatalogModel) -> Path:
    """The folder with the model's checkpoint, or its GGUF file. Looks only on this machine, never on the network.

    Raises:
        WeightsMissingError: There is none, or not all of it, or it can't be served; the message says how to get it, or
            why it can't.
    """
    if model.not_servable:
        message = f"{model.id} can't be served here: {model.not_servable}"
        raise WeightsMissingError(message, model=model.id, checkpoint=model.checkpoint)
    folder = Path(model.checkpoint) if model.is_local else cached_snapshot(model)
    try:
        if folder is not None and (file := find_gguf(folder)):
            return file
        missing = missing_files(folder) if folder is not None else ["config.json"]
    except CheckpointError as error:
        raise _missing(model, f"of {model.id} can't be used: {error}") from error
    if folder is not None and not missing:
        return folder
    if file := find_package(model):
        return file
    if model.is_local:
        raise _missing(model, f"of {model.id} are not on this machine: {model.checkpoint} has no {missing[0]}")
    command = _pull_command(model)
    found = "not on this machine" if folder is None else f"not all on this machine, {missing[0]} is missing"
    raise _missing(model, f"of {model.id} are {found}. Fetch them with: {command}", command=command)


def cached_snapshot(model: CatalogModel) -> Path | None:
    """Where the hub's cache has the model's revision: the folder of its config, or its GGUF file."""
    name = model.gguf_file or "config.json"
    found = try_to_load_from_cache(model.checkpoint, name, revision=model.revision)
    if not isinstance(found, str):
        return None
    return Path(found) if model.gguf_file else Path(found).parent


def _pull_command(model: CatalogModel) -> str:
    catalog = f" --catalog {shlex.quote(model.catalog_file)}" if model.catalog_file else ""
    return f"python -m service pull {model.id}{catalog}"


def _missing(model: CatalogModel, reason: str, **metadata: str) -> WeightsMissingError:
    return WeightsMissingError(f"The weights {reason}", model=model.id, checkpoint=model.checkpoint, **metadata)
