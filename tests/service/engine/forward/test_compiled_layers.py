"""What stands between matrix products may be compiled, computes the same then, and is left out where it can't be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from service.engine.forward.compiled_layers import BUDGET_S, compile_layers, keep_compiled_code
from service.engine.forward.fused_decoder import FusedDecoder
from service.engine.forward.model_runner import ModelRunner
from service.engine.progress import progress_told
from service.engine.startup.build import build_engine
from service.engine_protocol.acceleration import Acceleration, AccelerationError
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import tiny_model
from tests.support.engines import finish, make_engine, tokens_of
from tests.support.fake_engine import Clock
from tests.support.logits_in_company import NUM_BLOCKS, TOKEN_IDS, logits_in_company, shapes

LAYERS = frozenset({Acceleration.LAYERS})
NUM_LAYERS = 2
CALLS_PER_LAYER = 4  # rotate, add_and_norm, gate, add_and_norm


class CountingBackend:
    """Compiles by leaving everything as it is traced; counts that, and calls of the result."""

    def __init__(self) -> None:
        self.num_compiled = self.num_calls = 0

    def __call__(self, graph: torch.fx.GraphModule, examples: list[Any]) -> Callable[..., Any]:
        self.num_compiled += 1

        def call(*arguments: Any) -> Any:
            self.num_calls += 1
            return graph.forward(*arguments)

        return call

    def compiler(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, fullgraph=True, backend=self)


def expected_logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([TOKEN_IDS])).logits[0, 29:]
    return logits


class Compiled(ModelRunner):
    """A runner whose layers are compiled in the test's way."""

    def __init__(self, model: Any, compiler: Any, **options: Any) -> None:
        super().__init__(model, shapes(model), NUM_BLOCKS)
        self.leave_native()
        assert isinstance(self._forward, FusedDecoder)
        self._forward = compile_layers(self._forward, compiler, **options)


@pytest.mark.parametrize(
    ("family", "changes"),
    [("llama", {}), ("llama", {"mlp_bias": True}), ("qwen2", {}), ("qwen3", {"head_dim": 24}), ("phi3", {})],
)
def test_two_compilations_of_each_function_serve_all_layers_and_all_numbers_of_rows(
    family: str, changes: dict[str, Any]
) -> None:
    torch.compiler.reset()
    model: Any = tiny_model(family, **changes).train(mode=False)
    expected, backend = expected_logits(model), CountingBackend()
    runner = Compiled(model, backend.compiler)
    assert (backend.num_compiled, backend.num_calls) == (6, 6)
    logits = logits_in_company(runner, 30)
    assert (logits - expected).norm() < 1e-5 * expected.norm()
    num_steps = 2 + len(TOKEN_IDS) - 30
    assert (backend.num_compiled, backend.num_calls - 6) == (6, num_steps * NUM_LAYERS * CALLS_PER_LAYER)


def failing(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        raise RuntimeError("no compiler was found")

    return call


def halving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stands for a compiler that makes a mistake."""

    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        return (result[0] * 0.5, result[1]) if isinstance(result, tuple) else result * 0.5

    return call


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [(failing, "no compiler was found"), (halving, "rotate compiled differs by")],
)
def test_what_can_t_be_compiled_right_runs_as_before_and_the_log_says_why(
    compiler: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    model: Any = tiny_model().train(mode=False)
    expected = expected_logits(model)
    logits = logits_in_company(Compiled(model, compiler), 30)
    assert (logits - expected).norm() < 1e-5 * expected.norm()
    assert "run as without --accelerate layers" in caplog.text
    assert reason in caplog.text


def test_compiling_ends_when_its_time_is_over(caplog: pytest.LogCaptureFixture) -> None:
    clock, calls = Clock(), list[str]()

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append(function.__name__)
            clock.now_s += 0.4 * BUDGET_S
            return function(*arguments)

        return call

    told: list[tuple[str, int, int]] = []
    with progress_told(lambda *progress: told.append(progress)):
        Compiled(tiny_model().train(mode=False), slow, clock=clock)
    assert calls == ["rotate", "gate", "add_and_norm"]
    assert told == [("compiling layers", 1, 6), ("compiling layers", 2, 6)]
    assert "3 of 6 took 144 s, and 120 s are allowed" in caplog.text


def test_a_model_that_runs_through_its_class_is_refused(checkpoint: Callable[[str], Path]) -> None:
    message = "--accelerate layers does not work for a model of type gemma2"
    with pytest.raises(AccelerationError, match=message):
        make_engine(checkpoint("gemma2"), accelerations=LAYERS)


def test_compiled_code_is_kept_in_the_users_cache_unless_a_place_is_named() -> None:
    for environment, folder in (
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/runstream/inductor"),
        ({}, str(Path.home() / ".cache/runstream/inductor")),
        ({"XDG_CACHE_HOME": "/cache", "TORCHINDUCTOR_CACHE_DIR": "/mine"}, "/mine"),
    ):
        keep_compiled_code(environment)
        assert environment["TORCHINDUCTOR_CACHE_DIR"] == folder


@pytest.mark.stress  # half a minute in a C++ compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's compiler, about PyTorch
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3", "phi3"])
def test_engines_with_layers_compiled_for_this_cpu_give_the_same_tokens(
    family: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.compiler.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    engines = []
    for accelerations in (frozenset[Acceleration](), LAYERS):
        model = tiny_model(family).train(mode=False)
        config = EngineConfig(Path("unused"), max_num_seqs=4, max_num_batched_tokens=16, accelerations=accelerations)
        engines.append(build_engine(model, config, num_blocks=64))
    for engine in engines:
        for row, length in enumerate((1, 40, 7)):
            engine.submit(str(row), [5 + row] * length, SamplingParams(12))
    plain, compiled = (finish(engine) for engine in engines)
    assert "run as without" not in caplog.text
    assert [tokens_of(compiled, str(row)) for row in range(3)] == [tokens_of(plain, str(row)) for row in range(3)]
    assert any(tmp_path.iterdir())
