"""Whether a checkpoint on this machine is whole, unchanged and able to answer."""

from collections.abc import Callable
from pathlib import Path

from runstream.v1 import text_generation_pb2 as pb

from service.catalog import Catalog, CatalogModel
from service.checkpoints.checksum import check_file, recorded_hash
from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import is_gguf
from service.checkpoints.headers import read_weights
from service.checkpoints.memory import read_config
from service.config import ServiceConfig
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models.opening import open_models

_QUESTION = "What is the capital of France?"
_MAX_TOKENS = 16


def check_files(checkpoint: Path, report: Callable[[str], None]) -> None:
    """Compares hashes with those that the hub gave when the files were fetched, and reads config and headers.

    Raises:
        CheckpointError: A file is not what it was, or no config or weights.
        OSError: A file can't be read.
    """
    paths = sorted(checkpoint.iterdir()) if checkpoint.is_dir() else [checkpoint]
    hashes = {path: recorded_hash(path) for path in paths if path.is_file()}
    for path, expected in hashes.items():
        if expected:
            _compare(path, expected)
            report(f"{path.name}: as the hub has it, {'sha256' if len(expected) == 64 else 'git blob'} {expected}")
    if not any(hashes.values()):
        report("no hash was recorded for these files, which did not come from the hub through its cache: none compared")
    config, weights = read_config(checkpoint), read_weights(checkpoint)
    name = "metadata" if is_gguf(checkpoint) else "config.json"
    report(f"{name}: {config.get('model_type', 'no model_type')}; weights: {len(weights)} tensors")


def _compare(path: Path, expected: str) -> None:
    try:
        check_file(path, expected)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: delete {path.resolve()}, then pull the model again") from error


async def try_to_answer(config: ServiceConfig, catalog: Catalog, model: CatalogModel) -> str:
    """Loads the model that a config names, as the service does, and asks it something.

    Returns:
        The first tokens of its answer.

    Raises:
        RunstreamError: It can't be loaded, or does not answer.
        ConfigError: This version can't load it.
    """
    models = open_models(config, catalog)
    request = pb.RunRequest(model=model.id, prompt=pb.Prompt(text=_QUESTION))
    request.sampling_params.max_tokens = min(_MAX_TOKENS, model.max_completion_tokens)
    request.sampling_params.temperature = 0.0
    try:
        await models.load(model.id)
        parts = [part async for part in TextGenerator(models, Metrics()).generate(request, "verify", "")]
    finally:
        await models.stop()
    return f"{_QUESTION} -> {''.join(part.text for part in parts)!r} ({parts[-1].usage.completion_tokens} tokens)"
