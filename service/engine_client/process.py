"""The edge's handle on an engine in its own process.

It is spawned, spoken to over two pipes and watched. When it dies, the requests that ran end with an error. The others
go to the next process, which starts at once, then after growing pauses, five times in a minute. A silent one is killed.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable

from service.engine_client.admission import Admission
from service.engine_client.child import Spawner, kill, messages_of, send_kill
from service.engine_client.moments import Moments
from service.engine_client.request import EngineOutput, EngineState, QueueBounds, Request
from service.engine_client.requests import Requests
from service.engine_client.restarts import Deaths
from service.engine_client.stalls import SignsOfLife
from service.engine_client.step_tokens import StepTokens
from service.engine_client.watchers import Watchers
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, EngineInfo
from service.engine_protocol.framing import pack
from service.engine_protocol.messages import (
    ENGINE_FAILED,
    Abort,
    LoadFailed,
    Loading,
    Ready,
    Started,
    StepResult,
    Submit,
    Working,
)
from service.errors import EngineFailedError, ModelNotReadyError

_log = logging.getLogger(__name__)


class EngineProcess:
    """Starts, watches and speaks to one engine.

    Args:
        config: What the engine loads, and its bounds.
        max_waiting, max_waiting_tokens: See `QueueBounds`.
        max_wait_s: See `Admission`.
        stall_timeout_s: After how long without a sign of life, with requests to run, it counts as not serving.
        stall_kill_s: How much longer without one it is given, until it is killed; 0 for no end.
        spawner: Starts its process.

    Attributes:
        config: As given.
        max_num_seqs, engines_per_device: How many requests it runs at once, and itself; see `Replicas`.
        state, state_detail: Whether it takes requests, and why not or how far it is.
        info: What the loaded engine can do; None while none is loaded.
        stats: What it has told last.
        free_bytes: What was free on the device if that was too little to load; else None.
        num_restarts: How often its process was started again after it had died.
        load_progress: The share of its weights that are loaded, from 0 to 1.
        step_tokens: How many tokens its steps have computed.
    """

    def __init__(
        self,
        config: EngineConfig,
        max_waiting: int = 1024,
        max_waiting_tokens: int = 1 << 20,
        stall_timeout_s: float = 30.0,
        stall_kill_s: float = 0.0,
        spawner: Spawner | None = None,
        max_wait_s: float = math.inf,
        stream_interval: int = 1,
    ) -> None:
        self.config = config
        self.max_num_seqs = config.max_num_seqs
        self.engines_per_device = max(Counter(config.devices).values())
        self.state, self.state_detail = EngineState.STOPPED, ""
        self.info: EngineInfo | None = None
        self.stats, self.step_tokens = StepResult(), StepTokens()
        self.free_bytes: int | None = None
        self.num_restarts, self.load_progress = 0, 0.0
        self._spawner, self._watchers = spawner or Spawner(), Watchers()
        self._signs, self._requests = SignsOfLife(stall_timeout_s, stall_kill_s), Requests(stream_interval)
        bounds = QueueBounds(config.max_num_seqs, max_waiting, max_waiting_tokens)
        self._admission = Admission(bounds, max_wait_s, self._requests)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._deaths, self._num_past_preemptions = Deaths(), 0

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._process.pid if self._process else None

    @property
    def num_running(self) -> int:
        """Requests that the engine has begun."""
        return self._requests.num_running

    @property
    def num_waiting(self) -> int:
        """Requests that the engine has not begun."""
        return len(self._requests) - self.num_running

    @property
    def num_preemptions(self) -> int:
        """The number of preemptions of sequences, in this process and those before it."""
        return self._num_past_preemptions + self.stats.num_preemptions

    @property
    def kv_cache_usage(self) -> float:
        """The share of the KV cache's blocks that sequences hold, from 0 to 1."""
        stats, info = self.stats, self.info  # in this order: the thread that serves metrics asks too
        return 1 - stats.num_free_blocks * BLOCK_SIZE / info.num_kv_tokens if info else 0.0

    @property
    def num_serving(self) -> int:
        """The number of engines that serve: 1 if it does, else 0."""
        return int(self.is_serving)

    @property
    def num_recent_deaths(self) -> int:
        """The deaths of its process within a minute; after five it stays down."""
        return self._deaths.num_recent

    @property
    def is_serving(self) -> bool:
        """Tells if requests are taken and get on."""
        return self.state is EngineState.READY and not self._signs.is_stalled

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the event loop whenever `state` or `is_serving` may have changed."""
        self._watchers.add_callback(callback)

    async def start(self) -> None:
        """Starts the process, for the first time or after `stop`, and returns while it loads."""
        self._deaths.clear()
        self.free_bytes = None
        self._set_state(EngineState.LOADING, "loading the checkpoint")
        watch = self._signs.watch(self._has_work, self._watchers.notify, lambda: send_kill(self._process))
        self._tasks = [asyncio.create_task(self._supervise()), asyncio.create_task(watch)]

    async def stop(self, reason: str = "The server is shutting down.") -> None:
        """Ends the process, which frees its memory; requests that are left end with ModelNotReadyError."""
        self._set_state(EngineState.STOPPED, reason)
        for task in self._tasks:
            task.cancel()
        self._process, self.info = None, None
        self._requests.fail_all(ModelNotReadyError(reason))
        self._watchers.notify()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # the last, for who waits here may be cancelled

    async def wait_until_ready(self) -> EngineInfo:
        """Waits until the checkpoint is loaded.

        Raises:
            ModelNotReadyError: It can't be.
        """
        await self.wait_for(lambda: self.state is not EngineState.LOADING)
        if self.state is not EngineState.READY or self.info is None:
            raise ModelNotReadyError(self.state_detail)
        return self.info

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Waits until `predicate` has held; it is asked after each message and each change of state, none left out."""
        await self._watchers.wait_for(predicate)

    def check_room(self, account: str, deadline_s: float = math.inf) -> None:
        """Refuses an online request of which no more is known, if any like it would be; see `Admission`."""
        if self.state is EngineState.READY:
            self._admission.check_room(account, deadline_s)

    async def generate(
        self,
        submit: Submit,
        moments: Moments | None = None,
        deadline_s: float = math.inf,
        *,
        was_accepted: bool = False,
    ) -> AsyncGenerator[EngineOutput, None]:
        """Generates a completion; closing the generator before its end aborts the request.

        Args:
            submit: The request.
            moments: Gets its times.
            deadline_s: When its answer must have ended, on the event loop's clock.
            was_accepted: Whether it has waited for another engine already, so that no bound refuses it any more.

        Yields:
            The tokens as they come, at least one in each output.

        Raises:
            ModelNotReadyError: The engine takes no requests now.
            QueueFullError: Too much waits before it, or it has waited for too long.
            UnsatisfiableFormatError: The grammar can't be met.
            EngineFailedError: The engine failed while the request was running.
        """
        request = self._submit(submit, moments or Moments(), deadline_s, was_accepted)
        dropping = self._admission.drop_when_late(request, deadline_s)
        try:
            while True:
                await request.news.wait()
                output = request.pop_output()
                if output.token_ids:
                    yield output
                if request.error:
                    raise request.error
                if output.finish_reason:
                    return
        finally:
            dropping.cancel()
            del self._requests[submit.id]
            if not request.finish_reason:
                self._send(Abort(submit.id))

    def release_waiting(self) -> None:
        """Ends the requests that it has not begun with ModelNotReadyError, so that another engine can have them."""
        self._requests.fail_waiting(self._not_ready())

    def _has_work(self) -> bool:
        """Whether signs of life are due; while it loads it may be silent."""
        return self.state is EngineState.READY and bool(self._requests)

    def _submit(self, submit: Submit, moments: Moments, deadline_s: float, was_accepted: bool) -> Request:
        if self.state is not EngineState.READY:
            raise self._not_ready()
        if not was_accepted:
            self._admission.check(submit, deadline_s)
        if not self._requests:
            self._signs.begin()
        self._send(submit)
        return self._requests.add(submit, moments)

    def _send(self, message: Submit | Abort) -> None:
        """Hands a message to the pipe's buffer; one that finds no engine is of no use to the next one either."""
        if self.state is EngineState.READY and self._process and self._process.stdin:
            self._process.stdin.write(pack(message))

    async def _supervise(self) -> None:
        while True:
            process = self._process = await self._spawner.spawn(self.config)
            self._watchers.notify()
            try:
                async for message in messages_of(process):
                    self._signs.note()
                    self._handle(message)
                    self._watchers.notify()
            finally:
                self._num_past_preemptions += self.stats.num_preemptions
                self.info, self.stats, self.load_progress = None, StepResult(), 0.0
                await kill(process)
            if self.state is EngineState.FAILED or not await self._recover_from_death():
                return
            self.num_restarts += 1

    def _handle(self, message: Loading | Ready | LoadFailed | Started | Working | StepResult) -> None:
        match message:
            case Loading():
                self.load_progress = message.share_loaded
                self._set_state(EngineState.LOADING, str(message))
            case Ready(info):
                self.load_progress = 1.0
                self.stats, self.info = StepResult(num_free_blocks=info.num_kv_tokens // BLOCK_SIZE), info
                self._set_state(EngineState.READY, "")
                self._admission.restart()
                for request in self._requests.values():
                    self._send(request.submit)
            case LoadFailed(reason, self.free_bytes):
                self._set_state(EngineState.FAILED, reason)
                self._requests.fail_all(self._not_ready())
            case Started(ids, is_compiling):
                self._requests.start(ids, is_compiling=is_compiling)
            case StepResult():
                self.stats = message
                self._admission.note(message)
                self._requests.take(message)
                self.step_tokens.note(message)

    async def _recover_from_death(self) -> bool:
        """Ends the requests that ran when the process died, and pauses; False if it has died too often."""
        self._requests.fail_started(EngineFailedError(ENGINE_FAILED))
        self._deaths.record()
        num_deaths, code = self._deaths.num_recent, self._process.returncode if self._process else None
        _log.error("the engine process ended with status %s, time %d within a minute", code, num_deaths)
        if self._deaths.are_too_many:
            self._set_state(EngineState.FAILED, f"the engine ended {num_deaths} times within a minute; see the log")
            self._requests.fail_all(self._not_ready())
            self._watchers.notify()
            return False
        self._set_state(EngineState.LOADING, "the engine failed and is being started again")
        self._watchers.notify()
        await asyncio.sleep(self._deaths.pause_s)
        return True

    def _not_ready(self) -> ModelNotReadyError:
        return ModelNotReadyError(f"The model is not ready: {self.state_detail}. Try again shortly.")

    def _set_state(self, state: EngineState, detail: str) -> None:
        self.state, self.state_detail = state, detail
        self._watchers.call()
