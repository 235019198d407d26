"""What a step costs besides the model: scheduler, sampler and pipe, timed by wrapping the engine's own calls."""

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from bench.engine.load import Load, Setup, all_at_once, new_salt
from bench.report import Report, Spread, interleave, table
from service.engine.engine import Engine
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.process.commands import Commands
from service.engine.process.worker import Worker
from service.engine.startup.build import build_engine
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import receive, send
from service.engine_protocol.messages import StepResult, Submit
from service.engine_protocol.sampling_params import SamplingParams

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {},
    "temperature, top_k, top_p": {"temperature": 0.8, "top_k": 50, "top_p": 0.95},
    "all of them: penalties, bias and log probabilities too": {
        "temperature": 0.8,
        "top_k": 50,
        "top_p": 0.95,
        "min_p": 0.01,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "logit_bias": ((11, 1.0), (12, -1.0)),
        "num_logprobs": 5,
    },
}
"""The sampling parameters that are measured."""

_PARTS = ("model", "scheduler", "sampler", "pipe")


@dataclass(frozen=True)
class Step:
    """The parts of a decoding step, which together are all of it, in seconds or as their mean over many."""

    model_s: float
    scheduler_s: float
    sampler_s: float
    pipe_s: float

    @property
    def total_s(self) -> float:
        """The whole step."""
        return self.model_s + self.scheduler_s + self.sampler_s + self.pipe_s

    @property
    def overhead(self) -> float:
        """The share of the step that is not the model's."""
        return 1 - self.model_s / self.total_s


class CallTimer:
    """Adds up the time in calls of methods, each of which it replaces on its object by one that is timed.

    Args:
        wait_for_device: Called before and after each call, so that a call is charged for its own work on the device.
    """

    def __init__(self, wait_for_device: Callable[[], None]) -> None:
        self.spent_s: Counter[str] = Counter()
        self._wait_for_device = wait_for_device

    def watch(self, owner: object, method: str) -> None:
        """Times the calls of `owner`'s method from now on, under the name of owner's class and method."""
        name, call = f"{type(owner).__name__}.{method}", getattr(owner, method)

        def timed(*args: Any) -> Any:
            self._wait_for_device()
            begun_at = time.perf_counter()
            result = call(*args)
            self._wait_for_device()
            self.spent_s[name] += time.perf_counter() - begun_at  # type: ignore[assignment]  # Counter takes floats
            return result

        setattr(owner, method, timed)


class PipedWorker:
    """An engine's worker whose pipes are real, and whose edge is the same thread.

    What the edge's own process would do while the engine goes on is so counted as if the engine waited for it.
    """

    def __init__(self, engine: Engine) -> None:
        self._commands = Commands()
        command_ends, result_ends = os.pipe(), os.pipe()
        self._commands_in, self._commands_out = os.fdopen(command_ends[0], "rb"), os.fdopen(command_ends[1], "wb")
        self._results_in, self._results_out = os.fdopen(result_ends[0], "rb"), os.fdopen(result_ends[1], "wb")
        self._compiler = GrammarCompiler(Path())  # no request here has a grammar
        self._worker = Worker(engine, self._compiler, self._commands, self._results_out)

    def close(self) -> None:
        """Closes the pipes."""
        self._compiler.close()
        for end in (self._commands_in, self._commands_out, self._results_in, self._results_out):
            end.close()

    def submit(self, submit: Submit) -> None:
        """Sends a request through the pipe."""
        send(self._commands_out, submit)
        self._commands.put(receive(self._commands_in))  # type: ignore[arg-type]  # what was sent

    def step(self) -> StepResult:
        """Lets the worker take its turn, and reads what it says."""
        self._worker.turn()
        while not isinstance(message := receive(self._results_in), StepResult):
            pass
        return message


def llama_of_100_million() -> LlamaForCausalLM:
    """A Llama of 110 million parameters with the shape of GPT-2 small, random and the same in every run."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def run(setup: Setup, model: PreTrainedModel | None = None, count: int = 16, num_new_tokens: int = 32) -> Report:
    """Measures decoding steps of `count` sequences; the model is `llama_of_100_million` unless one is given."""
    dtype = torch.float32 if setup.dtype == "auto" else getattr(torch, setup.dtype)  # the model is in no checkpoint
    model = (model or llama_of_100_million()).to(setup.device, dtype).eval()  # type: ignore[arg-type]
    num_parameters = model.num_parameters()
    config = EngineConfig(setup.checkpoint, kv_cache_memory_mib=setup.kv_cache_memory_mib)
    engine = build_engine(model, config)
    timer = CallTimer(torch.cuda.synchronize if setup.device.startswith("cuda") else lambda: None)
    timer.watch(engine, "step")
    for method in ("_sample", "_logits"):
        timer.watch(engine._runner, method)
    load = all_at_once(engine.info.vocab_size, count, num_new_tokens)
    with closing(PipedWorker(engine)) as worker:
        ways = {name: partial(_run, worker, timer, load, options) for name, options in SETTINGS.items()}
        results = interleave(ways, setup.rounds)
    rows = []
    for name, steps in results.items():
        parts = ([getattr(step, f"{part}_s") * 1e3 for step in steps] for part in ("total", *_PARTS))
        times_ms = [f"{Spread.of(part).median:.2f}" for part in parts]
        overheads = [f"{share:.1%}" for share in Spread.of([step.overhead for step in steps]).values()]
        rows.append([name, *times_ms, *overheads])
    headings = ["sampling parameters", "step, ms", *_PARTS, "all but the model, median", "min", "max"]
    note = (
        f"{count} sequences of a model of {num_parameters / 1e6:.0f} million parameters, steps in which all of them "
        f"decode. All but the model is to be under 10 %. The pipe's share is that of both ends."
    )
    figures = {
        name: [{part: getattr(step, f"{part}_s") for part in _PARTS} for step in steps]
        for name, steps in results.items()
    }
    return Report("What a step costs besides the model", note, [table(headings, rows)], {"steps_s": figures})


def _run(worker: PipedWorker, timer: CallTimer, load: Load, options: Mapping[str, Any]) -> Step:
    """The mean of the steps in which every sequence decodes: those after the first in which every one got a token."""
    salt = new_salt()
    for place, request in enumerate(load):
        params = SamplingParams(request.num_new_tokens, seed=place, **options)
        worker.submit(Submit(str(place), request.prompt_token_ids, params, cache_salt=salt))
    steps: list[Step] = []
    num_finished, all_decode = 0, False
    while num_finished < len(load):
        timer.spent_s.clear()
        begun_at = time.perf_counter()
        result = worker.step()
        total_s = time.perf_counter() - begun_at
        if result.failed:
            raise RuntimeError(f"requests failed: {result.failed}")
        num_finished += sum(output.finish_reason is not None for output in result.outputs)
        if all_decode and len(result.outputs) == len(load):
            steps.append(_split(total_s, timer.spent_s))
        all_decode = all_decode or len(result.outputs) == len(load)
    return Step(**{f"{part}_s": statistics.fmean(getattr(step, f"{part}_s") for step in steps) for part in _PARTS})


def _split(total_s: float, spent_s: Mapping[str, float]) -> Step:
    """A step's parts from the time in calls, of which some are made by others."""
    engine_s = spent_s["Engine.step"]
    model_s, sampler_s = spent_s["ModelRunner._logits"], spent_s["ModelRunner._sample"]
    return Step(
        model_s=model_s,
        scheduler_s=engine_s - model_s - sampler_s,
        sampler_s=sampler_s,
        pipe_s=total_s - engine_s,
    )
