"""Engines with LoRA adapters: PEFT's tokens for each request, whatever else is in the batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.adapters import generate, load_adapted, save_adapter, sources
from tests.support.checkpoints import FAMILIES
from tests.support.engines import finish, is_whole, tokens_of

PROMPTS = [[(step * 37 + row * 11 + 5) % 320 for step in range(size)] for row, size in enumerate((3, 40, 17))]
MAX_TOKENS = 16
ALL_LINEAR = {"target_modules": "all-linear"}

KINDS: dict[str, dict[str, Any]] = {
    "list": {},
    "regex": {"target_modules": r".*\.1\.(self_attn\.o_proj|mlp\.down_proj)"},
    "all-linear": {**ALL_LINEAR, "r": 6, "lora_alpha": 3},
    "rslora": {"use_rslora": True, "r": 9},
    "patterns": {
        **ALL_LINEAR,
        "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.up_proj": 7},
        "alpha_pattern": {"o_proj": 24, "layers.0.self_attn.q_proj": 3},
        "exclude_modules": ["gate_proj"],
    },
    "layers": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "rank 1": {"r": 1, **ALL_LINEAR},
}


def engine_with(checkpoint: Path, num_blocks: int = 128, **changes: Any) -> Engine:
    config = EngineConfig(checkpoint, **changes)
    return build_engine(load_model(checkpoint, "cpu", "float32"), config, num_blocks)


def submit(
    engine: Engine, name: str, prompt: list[int], adapter: str, num_tokens: int = MAX_TOKENS, salt: str = ""
) -> None:
    engine.submit(name, prompt, SamplingParams(num_tokens), adapter=adapter, cache_salt=salt)


@pytest.fixture(scope="module")
def saved(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Adapters, by family and kind."""
    folders: dict[tuple[str, str], Path] = {}

    def get(family: str, kind: str) -> Path:
        if (family, kind) not in folders:
            folder, seed = tmp_path_factory.mktemp("adapter"), list(KINDS).index(kind)
            folders[family, kind] = save_adapter(checkpoint(family), folder, seed, **KINDS[kind])
        return folders[family, kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_pefts(checkpoint: Callable[[str], Path], saved: Callable[[str, str], Path], kind: str) -> None:
    folder, adapter = checkpoint("llama"), saved("llama", kind)
    engine, expected = engine_with(folder, adapters=sources(it=adapter)), load_adapted(folder, adapter)
    for row, prompt in enumerate(PROMPTS):
        submit(engine, str(row), prompt, "it")
    outputs = finish(engine)
    for row, prompt in enumerate(PROMPTS):
        assert tokens_of(outputs, str(row)) == generate(expected, prompt, MAX_TOKENS)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_of_a_mixed_batch_gets_its_own(
    checkpoint: Callable[[str], Path],
    saved: Callable[[str, str], Path],
    reference: Callable[..., list[int]],
    family: str,
) -> None:
    folder = checkpoint(family)
    folders = {"one": saved(family, "all-linear"), "two": saved(family, "rank 1")}
    engine, prompt = engine_with(folder, adapters=sources(**folders)), PROMPTS[1]
    for place, name in enumerate(("", "one", "two", "one", "")):
        submit(engine, f"{place} {name}", prompt, name)
    outputs = finish(engine)
    plain = reference(family, prompt, MAX_TOKENS)
    assert tokens_of(outputs, "0 ") == tokens_of(outputs, "4 ") == plain
    for number, name in ((1, "one"), (2, "two"), (3, "one")):
        expected = generate(load_adapted(folder, folders[name]), prompt, MAX_TOKENS)
        assert tokens_of(outputs, f"{number} {name}") == expected != plain
    assert is_whole(engine)


def test_prefixes_are_shared_with_the_same_adapter_only(
    checkpoint: Callable[[str], Path], saved: Callable[[str, str], Path]
) -> None:
    adapters = sources(one=saved("llama", "all-linear"), two=saved("llama", "list"))
    engine, cached = engine_with(checkpoint("llama"), adapters=adapters), []
    for place, name in enumerate(("one", "two", "", "one")):
        submit(engine, str(place), PROMPTS[1], name)
        cached.append(finish(engine)[0].num_cached_tokens)
    assert cached == [0, 0, 0, 32]


@pytest.mark.parametrize(
    "accelerations",
    [set(), {Acceleration.OVERLAP}, {Acceleration.ATTENTION, Acceleration.OVERLAP}],
    ids=["plain", "overlap", "attention and overlap"],  # xdist needs the same names in each process
)
def test_a_preempted_request_goes_on_with_its_adapter(
    checkpoint: Callable[[str], Path], saved: Callable[[str, str], Path], accelerations: set[Acceleration]
) -> None:
    folder, adapter = checkpoint("llama"), saved("llama", "all-linear")
    expected = generate(load_adapted(folder, adapter), PROMPTS[2], 24)
    bounds: dict[str, Any] = {"num_blocks": 5, "accelerations": frozenset(accelerations)}
    engine = engine_with(folder, adapters=sources(it=adapter), **bounds)
    submit(engine, "a", PROMPTS[2], "it", 24)
    submit(engine, "b", PROMPTS[2], "it", 24, salt="b")
    outputs = finish(engine)
    assert engine.scheduler.num_preemptions > 0
    assert tokens_of(outputs, "a") == tokens_of(outputs, "b") == expected


def test_an_aborted_request_leaves_the_others_theirs(
    checkpoint: Callable[[str], Path], saved: Callable[[str, str], Path]
) -> None:
    folder, adapter = checkpoint("llama"), saved("llama", "all-linear")
    engine = engine_with(folder, adapters=sources(it=adapter))
    submit(engine, "a", PROMPTS[0], "it")
    submit(engine, "b", PROMPTS[2], "it")
    outputs = engine.step().outputs
    engine.abort("a")
    outputs = [*outputs, *finish(engine)]
    assert tokens_of(outputs, "b") == generate(load_adapted(folder, adapter), PROMPTS[2], MAX_TOKENS)
    assert is_whole(engine)


def test_an_unknown_adapter_is_refused(checkpoint: Callable[[str], Path], saved: Callable[[str, str], Path]) -> None:
    engine = engine_with(checkpoint("llama"), adapters=sources(it=saved("llama", "list")))
    with pytest.raises(ValueError, match="no adapter 'other' among it"):
        submit(engine, "a", PROMPTS[0], "other")
