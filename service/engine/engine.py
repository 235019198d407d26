"""The engine: token ids in, token ids out.

Here the parts meet: the scheduler chooses, the model runner launches what was chosen, and the sequences grow when the
step is retired. With `Acceleration.OVERLAP` a step is launched before the one ahead of it is retired. The engine knows
nothing of text, of gRPC or of asyncio.
"""

import itertools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import torch

from service.engine.errors import is_out_of_memory
from service.engine.forward.flight import Flight
from service.engine.grammars.matcher import GrammarError
from service.engine.sampling.sampled import NothingLeftError, SampledToken, SamplingError
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.scheduler import Scheduler
from service.engine.scheduling.sequence import Grammar, Sequence, SequenceStatus
from service.engine_protocol.engine_config import EngineInfo
from service.engine_protocol.messages import ENGINE_FAILED, Failure, FailureCause, StepOutput, StepResult
from service.engine_protocol.sampling_params import Priority, SamplingParams

_log = logging.getLogger(__name__)

_OUT_OF_MEMORY = (
    "The engine ran out of memory while it was running this request. A shorter prompt may fit; otherwise the service's "
    "--max-num-batched-tokens, --kv-cache-memory-mib or --gpu-memory-utilization must be lowered."
)

OnLaunch = Callable[[list[ScheduledSequence]], None]
"""Takes a step's sequences before its launch."""


class Runner(Protocol):
    """Runs the model; see `ModelRunner`."""

    def launch(self, scheduled: list[ScheduledSequence], before: Flight | None) -> Flight:
        """Gives the device a step to do, behind the one in flight."""

    def forget(self) -> None:
        """Drops what is kept between steps, after one that failed."""


class Engine:
    """Runs many sequences at once on one model; `build_engine` makes it.

    Args:
        runner: Runs the model.
        scheduler: Chooses each step's sequences; its block pool has as many blocks as the runner's KV cache.
        info: What is told of the engine.
        max_num_tokens: The most tokens of a prompt and its completion.
        max_num_flights: How many steps may be in flight, 1 or 2.
        adapters: The names of the runner's LoRA adapters, by number.
    """

    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        info: EngineInfo,
        max_num_tokens: int,
        max_num_flights: int = 1,
        adapters: tuple[str, ...] = (),
    ) -> None:
        self.scheduler, self.block_pool, self.info = scheduler, scheduler.block_pool, info
        self._runner, self._adapters = runner, adapters
        self._max_num_tokens, self._max_num_flights = max_num_tokens, max_num_flights
        self._flights: deque[Flight] = deque()
        self._sequences: dict[str, Sequence] = {}

    @property
    def has_work(self) -> bool:
        """Tells if a step would do anything."""
        return bool(self._flights) or self.scheduler.has_work

    def submit(
        self,
        request_id: str,
        prompt_token_ids: list[int],
        params: SamplingParams,
        priority: Priority = Priority.ONLINE,
        cache_salt: str = "",
        grammar: Grammar | None = None,
        account: str = "",
        adapter: str = "",
    ) -> None:
        """Puts a request behind the waiting ones of its priority and account.

        Args:
            grammar: A matcher of its own, at the start of its text, for the form that the completion must have.
            adapter: The name of the LoRA adapter that it uses; empty for none.

        Raises:
            ValueError: It could never run; the edge checks the same bounds, in the client's words.
        """
        self._check(prompt_token_ids, params, adapter)
        sequence = Sequence(
            request_id,
            list(prompt_token_ids),
            len(prompt_token_ids),
            params,
            priority=priority,
            # What the KV cache holds depends on the adapter.
            cache_salt=f"{adapter}\0{cache_salt}" if adapter else cache_salt,
            account=account,
            adapter=self._adapters.index(adapter) if adapter else None,
            grammar=grammar,
        )
        self._sequences[request_id] = sequence
        self.scheduler.add(sequence)

    def _check(self, prompt_token_ids: list[int], params: SamplingParams, adapter: str) -> None:
        if adapter and adapter not in self._adapters:
            raise ValueError(f"there is no adapter {adapter!r} among {', '.join(self._adapters) or 'none'}")
        if not prompt_token_ids or params.max_tokens < 1:
            raise ValueError("a request has at least one prompt token and max_tokens is at least 1")
        num_tokens = len(prompt_token_ids) + params.max_tokens
        if num_tokens > self._max_num_tokens:
            raise ValueError(f"prompt and max_tokens are {num_tokens} tokens; there is room for {self._max_num_tokens}")
        # Such a token would fail the whole step, and on CUDA the process.
        for token_id in itertools.chain(prompt_token_ids, params.token_ids()):
            if not 0 <= token_id < self.info.vocab_size:
                raise ValueError(f"token {token_id} is not in the model's vocabulary of {self.info.vocab_size} tokens")

    def abort(self, request_id: str) -> None:
        """Ends a request and frees its blocks; one that has ended already is no error."""
        sequence = self._sequences.pop(request_id, None)
        if sequence is not None:
            self.scheduler.finish(sequence)

    def step(self, on_launch: OnLaunch | None = None) -> StepResult:
        """Launches what can be launched, and retires the oldest step in flight.

        An exception ends the sequences of its step; the others start over.

        Args:
            on_launch: Called before each launch.

        Returns:
            The tokens sampled, the requests that failed, and how the engine stands now. Behind a draft a sequence gets
            several tokens, in their order.

        Raises:
            torch.AcceleratorError: No step on this device can succeed any more.
        """
        result = StepResult()
        num_prompt_tokens, drafted_before = 0, self.scheduler.spec_decode
        scheduled = self._schedule()
        try:
            while scheduled:
                if on_launch is not None:
                    on_launch(scheduled)
                self._launch(scheduled, result)
                scheduled = self._schedule()
            if self._flights:
                scheduled = self._flights[0].scheduled
                num_prompt_tokens = sum(map(_num_prompt_tokens, scheduled))
                self._retire(result)
        except torch.AcceleratorError:
            raise
        except Exception:
            _log.exception("a step failed")
            self._recover(scheduled, result)
        return replace(
            result,
            num_running=len(self.scheduler.running),
            num_waiting=self.scheduler.num_waiting,
            num_free_blocks=self.block_pool.num_free,
            num_preemptions=self.scheduler.num_preemptions,
            spec_decode=self.scheduler.spec_decode.since(drafted_before),
            num_prompt_tokens=num_prompt_tokens,
        )

    def _schedule(self) -> list[ScheduledSequence]:
        """The next step's sequences; empty if there is none, or none that can be launched before `_retire`."""
        if len(self._flights) == self._max_num_flights:
            return []
        return self.scheduler.schedule(is_ahead=bool(self._flights))

    def _launch(self, scheduled: list[ScheduledSequence], result: StepResult) -> None:
        """Gives the device a step to do; the newest sequences fail if memory does not suffice for all."""
        while scheduled:
            flight = self._try_launch(scheduled)
            if flight is not None:
                self._flights.append(flight)
                self.scheduler.launch(scheduled)
                break
            *scheduled, newest = scheduled
            result.failed.append(self._fail_sequence(newest.sequence, _OUT_OF_MEMORY))

    def _try_launch(self, scheduled: list[ScheduledSequence]) -> Flight | None:
        """The step in flight; None if memory does not suffice for so many tokens."""
        try:
            return self._runner.launch(scheduled, self._flights[-1] if self._flights else None)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            num_tokens = sum(item.num_tokens for item in scheduled)
            _log.error("out of memory in a step of %d sequences and %d tokens: %s", len(scheduled), num_tokens, error)
        self._runner.forget()
        return None

    def _retire(self, result: StepResult) -> None:
        """Waits for the oldest step in flight, and lets its sequences grow or end."""
        tokens = self._flights[0].tokens()
        self._flights[0].keep_prompt_logprobs()
        for item in self._flights.popleft().scheduled:
            if item.sequence.status is not SequenceStatus.FINISHED:
                self._retire_sequence(item, tokens.get(item.sequence, []), result)

    def _retire_sequence(
        self, item: ScheduledSequence, tokens: list[SampledToken | SamplingError], result: StepResult
    ) -> None:
        sequence = item.sequence
        if not tokens or isinstance(tokens[0], SampledToken):
            self.scheduler.retire(item, item.num_sampled - len(tokens))
        try:
            for token in tokens:
                if isinstance(token, SamplingError):
                    self.block_pool.forget(sequence.block_table)
                    raise token
                result.outputs.append(self._grow(sequence, token))
                if sequence.status is SequenceStatus.FINISHED:
                    break  # its form is complete, and what follows was sampled without one
        except SamplingError as error:
            result.failed.append(self._fail_sequence(sequence, error))

    def _grow(self, sequence: Sequence, token: SampledToken) -> StepOutput:
        sequence.append(token.token_id)
        known = sequence.num_cached_tokens or 0, sequence.pop_prompt_logprobs() or ()
        finish_reason = sequence.finish_reason()
        if finish_reason is not None:
            self.abort(sequence.id)
        return StepOutput(sequence.id, token.token_id, finish_reason, token.logprobs, *known)

    def _fail_sequence(self, sequence: Sequence, reason: str | SamplingError) -> Failure:
        # What a grammar can't take may be quoted.
        _log.error("request %s fails: %s", sequence.id, "its form" if isinstance(reason, GrammarError) else reason)
        self.abort(sequence.id)
        return Failure(sequence.id, str(reason), _cause(reason))

    def _recover(self, scheduled: list[ScheduledSequence], result: StepResult) -> None:
        """Ends the sequences of a step that raised; the others start over.

        What the KV cache holds after half a step is not known, so it is forgotten and the others prefill again. Steps
        in flight are given up; what they sample will be sampled again.
        """
        self._flights.clear()
        result.failed.extend(
            self._fail_sequence(item.sequence, ENGINE_FAILED)
            for item in scheduled
            if item.sequence.status is not SequenceStatus.FINISHED
        )
        self.scheduler.preempt_all()
        self.block_pool.forget(range(self.block_pool.num_blocks))
        self._runner.forget()


def _num_prompt_tokens(item: ScheduledSequence) -> int:
    return max(0, min(item.end, item.sequence.num_prompt_tokens) - item.start)


def _cause(reason: str | SamplingError) -> FailureCause:
    match reason:
        case GrammarError():
            return FailureCause.GRAMMAR
        case NothingLeftError():
            return FailureCause.REQUEST
        case _:
            return FailureCause.ENGINE
