"""Tiny engines on tiny checkpoints."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from service.engine.engine import Engine, OnLaunch
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import StepOutput
from tests.support.checkpoints import save_tiny_model


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folders: dict[str, Path] = {}

    def get(family: str = "llama") -> Path:
        if family not in folders:
            folders[family] = save_tiny_model(tmp_path_factory.mktemp(family), family)
        return folders[family]

    return get


@pytest.fixture(scope="session")
def reference(checkpoint: Callable[[str], Path]) -> Callable[..., list[int]]:
    """transformers' own greedy tokens."""
    models: dict[str, PreTrainedModel] = {}

    def generate(
        family: str, prompt: list[int], max_tokens: int, eos_token_ids: frozenset[int] = frozenset()
    ) -> list[int]:
        if family not in models:
            models[family] = load_reference(checkpoint(family), "float32")
        output = models[family].generate(  # type: ignore[operator]
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=sorted(eos_token_ids) or -1,
            pad_token_id=0,
        )
        tokens: list[int] = output[0, len(prompt) :].tolist()
        return tokens

    return generate


def load_reference(checkpoint: Path, dtype: str) -> PreTrainedModel:
    """A model as transformers runs it by itself."""
    model = load_model(checkpoint, "cpu", dtype)
    if model.config.model_type == "gemma2":
        model.set_attn_implementation("eager")  # in 5.17 it runs through SDPA by default, which leaves its cap out
    return model


def make_engine(checkpoint: Path, dtype: str = "float32", num_blocks: int = 128, **bounds: Any) -> Engine:
    """An engine whose KV cache has `num_blocks` blocks of the tiny model."""
    model = load_model(checkpoint, "cpu", dtype)
    return build_engine(model, EngineConfig(checkpoint, **bounds), num_blocks)


def engine_on_a_copy(model: PreTrainedModel, num_blocks: int = 128, **bounds: Any) -> Engine:
    """An engine that leaves `model` as it is; quicker than loading it again."""
    return build_engine(copy.deepcopy(model), EngineConfig(Path("unused"), **bounds), num_blocks)


def finish(engine: Engine) -> list[StepOutput]:
    """Steps until nothing is left; all outputs in order. No request may fail."""
    outputs: list[StepOutput] = []
    while engine.has_work:
        outputs += outputs_of(engine)
    return outputs


def outputs_of(engine: Engine, on_launch: OnLaunch | None = None) -> list[StepOutput]:
    """The outputs of a step in which no request may fail."""
    result = engine.step(on_launch)
    assert not result.failed
    return result.outputs


def fail_step(engine: Engine) -> list[str]:
    """Lets the next launch raise; the requests that end with it."""

    def fail(scheduled: list[ScheduledSequence]) -> None:
        raise RuntimeError("a step fails")

    return [failure.id for failure in engine.step(fail).failed]


def tokens_of(outputs: list[StepOutput], request_id: str) -> list[int]:
    return [output.token_id for output in outputs if output.id == request_id]


def is_whole(engine: Engine) -> bool:
    """Whether all its blocks are free, and nothing runs."""
    return engine.block_pool.num_free == engine.block_pool.num_blocks and not engine.has_work
