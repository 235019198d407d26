"""The loop of an engine's process: commands in, steps, results out."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import BinaryIO

from transformers.utils import logging as transformers_logging

from logs.writing import write_log
from service.engine.engine import Engine
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.grammars.matcher import GrammarError
from service.engine.grammars.thinking import Matcher
from service.engine.native.memory import trim_heap
from service.engine.process.chosen_loading import load_chosen
from service.engine.process.commands import Command, Commands, Compiled
from service.engine.process.setup import LOAD_ERRORS, load_failure
from service.engine.progress import layers_noted
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import send
from service.engine_protocol.messages import (
    ENGINE_FAILED,
    Abort,
    Failure,
    FailureCause,
    GrammarSpec,
    Ready,
    Started,
    StepResult,
    Submit,
    Working,
)

_log = logging.getLogger(__name__)

WORKING_PERIOD_S = 1.0
"""After how long without a message a step that is at its next layer says so."""


class Worker:
    """Carries out commands, steps and reports, in turn, and sleeps while there is nothing to run.

    A request with a grammar joins the waiting ones when that is compiled, which happens beside the steps.

    Args:
        engine: The engine.
        compiler: Makes the grammars of this engine's requests.
        commands: What it is to do.
        results: Where messages to the edge go.
        clock: Tells the time, in seconds; one that nobody sets.
    """

    def __init__(
        self,
        engine: Engine,
        compiler: GrammarCompiler,
        commands: Commands,
        results: BinaryIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._compiler = compiler
        self._commands = commands
        self._results = results
        self._clock = clock
        self._told_at_s = clock()
        self._started: set[str] = set()
        self._compiling: dict[str, Future[Matcher]] = {}

    def serve_forever(self) -> None:
        """Runs until the process ends."""
        with layers_noted(self.note_layer):
            while True:
                self.turn()

    def turn(self) -> None:
        """Carries out the commands that have come, and reports them with the engine's next step.

        Raises:
            torch.AcceleratorError: The device is lost; the process that is started next gets a new one.
        """
        obeyed = StepResult()
        self._obey(obeyed)
        result = self._engine.step(self._start_all)
        self._report(replace(result, failed=obeyed.failed + result.failed, aborted=obeyed.aborted))

    def note_layer(self) -> None:
        """Tells at a layer that a long step gets on: on a slow processor it may take longer than a stall may."""
        if self._clock() - self._told_at_s > WORKING_PERIOD_S:
            self._tell(Working())

    def _start_all(self, scheduled: list[ScheduledSequence]) -> None:
        self._start([item.sequence.id for item in scheduled])

    def _start(self, ids: list[str]) -> None:
        """Tells which requests begin, before they do: should one kill the process, it must not be tried again."""
        started = [request_id for request_id in ids if request_id not in self._started]
        if started:
            self._started.update(started)
            self._tell(Started(started))

    def _obey(self, result: StepResult) -> None:
        """Carries out all commands that have come; waits for one if there is nothing else to do."""
        if not self._engine.has_work:
            self._carry_out(self._commands.get(), result)
        while (command := self._commands.pop()) is not None:
            self._carry_out(command, result)

    def _carry_out(self, command: Command, result: StepResult) -> None:
        match command:
            case Submit(grammar=GrammarSpec() as spec):
                self._compile(command, spec)
            case Submit():
                self._submit(command, None, result)
            case Compiled():
                self._submit_compiled(command, result)
            case Abort():
                if (compiling := self._compiling.pop(command.id, None)) is not None:
                    compiling.cancel()
                self._engine.abort(command.id)
                result.aborted.append(command.id)

    def _compile(self, command: Submit, spec: GrammarSpec) -> None:
        send(self._results, Started([command.id], is_compiling=True))
        grammar = self._compiling[command.id] = self._compiler.compile(spec)
        grammar.add_done_callback(lambda grammar: self._commands.put(Compiled(command, grammar)))

    def _submit_compiled(self, command: Compiled, result: StepResult) -> None:
        request_id = command.submit.id
        if self._compiling.pop(request_id, None) is None:
            return  # it was aborted
        error = command.grammar.exception()
        if error is None:
            self._submit(command.submit, command.grammar.result(), result)
        elif isinstance(error, GrammarError):
            result.failed.append(Failure(request_id, str(error), FailureCause.GRAMMAR))
        else:
            # What it says may quote the grammar.
            _log.error("compiling the grammar of request %s failed with %s", request_id, type(error).__name__)
            result.failed.append(Failure(request_id, ENGINE_FAILED))

    def _submit(self, command: Submit, grammar: Matcher | None, result: StepResult) -> None:
        try:
            self._engine.submit(
                command.id,
                command.prompt_token_ids,
                command.params,
                command.priority,
                command.cache_salt,
                grammar,
                command.account,
                command.adapter,
            )
        except ValueError as error:
            _log.exception("request %s can't run", command.id)
            result.failed.append(Failure(command.id, f"The engine can't run this request: {error}."))

    def _tell(self, message: Started | Working | StepResult) -> None:
        send(self._results, message)
        self._told_at_s = self._clock()

    def _report(self, result: StepResult) -> None:
        self._started.difference_update(output.id for output in result.outputs if output.finish_reason)
        self._started.difference_update(failure.id for failure in result.failed)
        self._started.difference_update(result.aborted)
        self._tell(result)


def load(config: EngineConfig, source: BinaryIO, results: BinaryIO) -> Worker | None:
    """Loads the checkpoint and tells the edge that it is ready, or why it can't be.

    Args:
        config: What to load, and how.
        source: Where commands come from; they are read from now on.
        results: Where messages to the edge go, also how far loading is.

    Returns:
        What serves it; None if it can't be loaded.
    """
    write_log("engine", logging.WARNING, config.log_format, has_texts=False)
    logging.getLogger("service").setLevel(logging.INFO)
    commands = Commands()
    commands.read_from(source)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        engine = load_chosen(config, lambda message: send(results, message))
    except LOAD_ERRORS as error:
        send(results, load_failure(error, config))
        return None
    compiler = GrammarCompiler(config.checkpoint)
    trim_heap()
    send(results, Ready(engine.info))
    return Worker(engine, compiler, commands, results)
