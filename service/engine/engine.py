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

from transformers import PreTrainedModel

from service.engine.attention.paged_decode import DecodeAttention
from service.engine.errors import is_out_of_memory
from service.engine.forward.decode_graphs import Capture, capture_for
from service.engine.forward.flight import Flight, Launched, Pending, Work
from service.engine.forward.kv_cache import bytes_per_block
from service.engine.forward.model_runner import ModelRunner, StepScope
from service.engine.grammars.matcher import GrammarError, GrammarMatcher
from service.engine.sampling.sampled import NothingLeftError, SampledToken, SamplingError
from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduler import ScheduledSequence, Scheduler
from service.engine.scheduling.sequence import Sequence, SequenceStatus
from service.engine.startup.memory_profile import MIN_BLOCKS, MemoryMeter, blocks_that_fit
from service.engine.startup.self_check import SelfCheck
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, EngineInfo
from service.engine_protocol.messages import ENGINE_FAILED, Failure, FailureCause, StepOutput, StepResult
from service.engine_protocol.sampling_params import Priority, SamplingParams

_log = logging.getLogger(__name__)

_OUT_OF_MEMORY = (
    "The engine ran out of memory while it was running this request. A shorter prompt may fit; otherwise the service's "
    "--max-num-batched-tokens, --kv-cache-memory-mib or --gpu-memory-utilization must be lowered."
)

_MIB = 1 << 20


class Engine:
    """Runs many sequences at once on one model.

    Args:
        model: The loaded model.
        config: The bounds; the checkpoint it names is not read again.
        num_blocks: How many blocks the KV cache has; None for as many as fit `config.kv_cache_memory_mib`.
        decode_attention: How decoding sequences attend with `Acceleration.ATTENTION`; None for the device's own way.
        launch_work: How the device is given a step's work.
        capture: What records steps with `Acceleration.GRAPHS`; None for the device's own way.
        meter: Measures how many blocks fit instead; None on devices whose KV cache has a size of its own.

    Raises:
        AccelerationError: A way to be faster does not work with this model, or on this device.
        ValueError: The KV cache would hold next to nothing.
        UnsupportedModelError: The engine would not compute what the model's class computes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        config: EngineConfig,
        num_blocks: int | None = None,
        decode_attention: DecodeAttention | None = None,
        launch_work: Callable[[Work], Pending] = Launched,
        capture: Capture | None = None,
        meter: MemoryMeter | None = None,
    ) -> None:
        check = SelfCheck(model)
        text_config = model.config.get_text_config()
        max_position_embeddings = text_config.max_position_embeddings
        max_num_tokens = min(max_position_embeddings, config.context_window or max_position_embeddings)
        block_bytes = bytes_per_block(check.kv_shapes, model.dtype)
        if num_blocks is None:
            num_blocks = config.kv_cache_memory_mib * _MIB // block_bytes
        self._runner = ModelRunner(
            model,
            check.kv_shapes,
            MIN_BLOCKS if meter else num_blocks,
            config.accelerations,
            decode_attention,
            launch_work,
            max_num_tokens,
        )
        if meter is not None:
            num_blocks = blocks_that_fit(self._runner, meter, config, max_num_tokens, block_bytes)
            self._runner.resize_kv_cache(num_blocks)
        self.block_pool = BlockPool(num_blocks)
        self.scheduler = Scheduler(self.block_pool, config.max_num_seqs, config.max_num_batched_tokens)
        if num_blocks < MIN_BLOCKS:
            raise ValueError(
                f"a KV cache of {config.kv_cache_memory_mib} MiB holds {num_blocks * BLOCK_SIZE} tokens of this model, "
                f"fewer than {MIN_BLOCKS * BLOCK_SIZE}: give it more memory"
            )
        check.compare(self._runner)
        if Acceleration.GRAPHS in config.accelerations:
            # Not before: the check changes windows, which a graph would keep.
            self._runner.capture_graphs(capture or capture_for(model.device), config.max_num_seqs)
        self._flights: deque[Flight] = deque()
        self._max_num_flights = 2 if Acceleration.OVERLAP in config.accelerations else 1
        self._failed: list[Failure] = []
        self._sequences: dict[str, Sequence] = {}
        self._max_num_tokens = min(max_num_tokens, num_blocks * BLOCK_SIZE)
        self.info = EngineInfo(
            vocab_size=text_config.vocab_size,
            max_position_embeddings=max_position_embeddings,
            num_kv_tokens=num_blocks * BLOCK_SIZE,
            kv_cache_bytes=num_blocks * block_bytes,
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
        )

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._flights) or self.scheduler.has_work

    def submit(
        self,
        request_id: str,
        prompt_token_ids: list[int],
        params: SamplingParams,
        priority: Priority = Priority.ONLINE,
        cache_salt: str = "",
        grammar: GrammarMatcher | None = None,
    ) -> None:
        """Puts a request behind the waiting ones of its priority.

        Args:
            grammar: A matcher of its own, at the start of its text, for the form that the completion must have.

        Raises:
            ValueError: It could never run; the edge checks the same bounds, in the client's words.
        """
        self._check(prompt_token_ids, params)
        sequence = Sequence(
            request_id,
            list(prompt_token_ids),
            len(prompt_token_ids),
            params,
            priority=priority,
            cache_salt=cache_salt,
            grammar=grammar,
        )
        self._sequences[request_id] = sequence
        self.scheduler.add(sequence)

    def _check(self, prompt_token_ids: list[int], params: SamplingParams) -> None:
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

    def schedule(self) -> list[ScheduledSequence]:
        """Which sequences the next step runs; empty if there is none, or none that can be launched before `retire`."""
        if len(self._flights) == self._max_num_flights:
            return []
        return self.scheduler.schedule(is_ahead=bool(self._flights))

    def launch(self, scheduled: list[ScheduledSequence]) -> None:
        """Gives the device a step to do; the newest sequences fail if memory does not suffice for all."""
        while scheduled:
            flight = self._try_launch(scheduled)
            if flight is not None:
                self._flights.append(flight)
                self.scheduler.launch(scheduled)
                break
            *scheduled, newest = scheduled
            self._failed.append(self._fail_sequence(newest.sequence, _OUT_OF_MEMORY))

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

    @property
    def next_to_retire(self) -> list[ScheduledSequence]:
        """The sequences of the oldest step in flight; empty if there is none."""
        return self._flights[0].scheduled if self._flights else []

    def retire(self) -> StepResult:
        """Waits for the oldest step in flight, if there is one, and lets its sequences grow or end."""
        result = StepResult()
        if self._flights:
            tokens = self._flights[0].tokens()
            self._flights[0].keep_prompt_logprobs()
            for item in self._flights.popleft().scheduled:
                if item.sequence.status is not SequenceStatus.FINISHED:
                    self._retire_sequence(item, tokens.get(item.sequence), result)
        result.failed.extend(self._failed)
        self._failed.clear()
        return result

    def _retire_sequence(
        self, item: ScheduledSequence, token: SampledToken | SamplingError | None, result: StepResult
    ) -> None:
        if isinstance(token, SamplingError):
            self.block_pool.forget(item.sequence.block_table)
            result.failed.append(self._fail_sequence(item.sequence, token))
            return
        self.scheduler.retire(item)
        try:
            if token is not None:
                result.outputs.append(self._grow(item.sequence, token))
        except GrammarError as error:
            result.failed.append(self._fail_sequence(item.sequence, error))

    def _grow(self, sequence: Sequence, token: SampledToken) -> StepOutput:
        sequence.append(token.token_id)
        known = sequence.num_cached_tokens or 0, sequence.pop_prompt_logprobs()
        finish_reason = sequence.finish_reason()
        if finish_reason is not None:
            self.abort(sequence.id)
        return StepOutput(sequence.id, token.token_id, finish_reason, token.logprobs, *known)

    def _fail_sequence(self, sequence: Sequence, reason: str | SamplingError) -> Failure:
        _log.error("request %s fails: %s", sequence.id, reason)
        self.abort(sequence.id)
        return Failure(sequence.id, str(reason), _cause(reason))

    def step(self) -> list[StepOutput]:
        """Launches what can be, and retires a step; the tokens that it sampled, at most one for each sequence."""
        while scheduled := self.schedule():
            self.launch(scheduled)
        return self.retire().outputs

    def fail(self, scheduled: list[ScheduledSequence]) -> list[Failure]:
        """Recovers from an exception in `launch` or `retire`: ends the sequences of that step; the others start over.

        What the KV cache holds after half a step is not known, so it is forgotten and the others prefill again. Steps
        in flight are given up; what they sample will be sampled again.

        Returns:
            The requests that ended.
        """
        self._flights.clear()
        failed, self._failed = self._failed, []
        failed += [
            self._fail_sequence(item.sequence, ENGINE_FAILED)
            for item in scheduled
            if item.sequence.status is not SequenceStatus.FINISHED
        ]
        self.scheduler.preempt_all()
        self.block_pool.forget(range(self.block_pool.num_blocks))
        self._runner.forget()
        return failed

    def use_step_scope(self, step_scope: StepScope) -> None:
        """Has each step computed within a scope, in which other ranks compute along."""
        self._runner.step_scope = step_scope

    def compute_logits(self, packed: list[ScheduledSequence]) -> None:
        """Computes along in a step of another rank's engine."""
        self._runner.logits(packed)

    def report(self, result: StepResult) -> StepResult:
        """A step's result with how the engine stands after it."""
        return replace(
            result,
            num_running=len(self.scheduler.running),
            num_waiting=self.scheduler.num_waiting,
            num_free_blocks=self.block_pool.num_free,
            num_preemptions=self.scheduler.num_preemptions,
        )


def _cause(reason: str | SamplingError) -> FailureCause:
    match reason:
        case GrammarError():
            return FailureCause.GRAMMAR
        case NothingLeftError():
            return FailureCause.REQUEST
        case _:
            return FailureCause.ENGINE
