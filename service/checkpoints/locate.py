"""Where the weights of a model are on this machine."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from service.catalog import CatalogModel
from service.errors import WeightsMissingError


def locate(model: CatalogModel) -> Path:
    """The folder with the model's checkpoint. Looks only on this machine, never on the network.

    Raises:
        WeightsMissingError: There is none; the message says how to get it.
    """
    is_folder = model.checkpoint.startswith("/")
    folder = Path(model.checkpoint) if is_folder else _cached_snapshot(model.checkpoint)
    if folder is not None and _is_checkpoint(folder):
        return folder
    missing = f"The weights of {model.id} are not on this machine"
    if is_folder:
        missing += f": there is no config.json with *.safetensors in {model.checkpoint}"
    else:
        missing += f". Fetch them with: hf download {model.checkpoint}"
    raise WeightsMissingError(missing, model=model.id, checkpoint=model.checkpoint)


def _cached_snapshot(repo_id: str) -> Path | None:
    config = try_to_load_from_cache(repo_id, "config.json")
    return Path(config).parent if isinstance(config, str) else None


def _is_checkpoint(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
