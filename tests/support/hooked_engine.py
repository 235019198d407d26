"""Engines in which a test makes something fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.forward.flight import Launched, Pending, Work
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import StepResult


def make_hooked_engine(
    checkpoint: Path,
    hook: Callable[[torch.Tensor], None],
    launch_work: Callable[[Work], Pending] = Launched,
    **bounds: Any,
) -> Engine:
    """An engine whose embedding calls a hook with the token ids before each step's forward."""
    model = load_model(checkpoint, "cpu", "float32")
    engine = build_engine(model, EngineConfig(checkpoint, **bounds), 64, Backend(launch_work=launch_work))
    embedding_of(model).register_forward_pre_hook(lambda module, inputs: hook(inputs[0]))
    return engine


def embedding_of(model: PreTrainedModel) -> torch.nn.Module:
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, torch.nn.Module)
    return embedding


def run_all(engine: Engine) -> StepResult:
    """Runs until nothing is left; every output and failure."""
    total = StepResult()
    while engine.has_work:
        result = engine.step()
        total.outputs.extend(result.outputs)
        total.failed.extend(result.failed)
    assert engine.block_pool.num_free == engine.block_pool.num_blocks
    return total


def failures(result: StepResult) -> dict[str, str]:
    assert len({failure.id for failure in result.failed}) == len(result.failed), "a request ends once"
    return {failure.id: failure.message for failure in result.failed}


def run_out_above(num_tokens: int, run_out: Callable[[], None]) -> Callable[[torch.Tensor], None]:
    def hook(token_ids: torch.Tensor) -> None:
        if token_ids.numel() > num_tokens:
            run_out()

    return hook


def raise_as_cuda_does() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def fail_on(token_id: int, error: Exception) -> Callable[[torch.Tensor], None]:
    def hook(token_ids: torch.Tensor) -> None:
        if (token_ids == token_id).any():
            raise error

    return hook
