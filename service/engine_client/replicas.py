"""Several engines of one model, one on each device, behind one handle.

A request goes to the engine that `PrefixAffinity` chooses, and stays with it once it has begun. When an engine dies,
what it had begun fails, and what only waited for it goes to another that serves; if none does, to its next process.
What waits for one that is stalled goes to another, too.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from service.engine_client.moments import Moments
from service.engine_client.prefix_affinity import PrefixAffinity
from service.engine_client.process import EngineProcess
from service.engine_client.request import EngineOutput, EngineState
from service.engine_client.step_tokens import StepTokens
from service.engine_protocol.engine_config import EngineConfig, EngineInfo
from service.engine_protocol.messages import Submit
from service.errors import ModelNotReadyError, QueueFullError

_log = logging.getLogger(__name__)

_BEST_FIRST = (EngineState.READY, EngineState.LOADING, EngineState.FAILED, EngineState.STOPPED)


class Replicas:
    """Engines that load the same; all are started and stopped together.

    Args:
        engines: The engines, not started yet.

    Attributes:
        engines: As given.
    """

    def __init__(self, engines: Sequence[EngineProcess]) -> None:
        self.engines = tuple(engines)
        self._affinity = PrefixAffinity(len(self.engines))
        self._callbacks: list[Callable[[], None]] = []
        for engine in self.engines:
            engine.on_change(self._on_engine_change)

    @property
    def config(self) -> EngineConfig:
        """The first one's config; the others differ by the device."""
        return self.engines[0].config

    @property
    def state(self) -> EngineState:
        """The best state of any: one that is ready is enough for requests to be answered."""
        states = {engine.state for engine in self.engines}
        return next(state for state in _BEST_FIRST if state in states)

    @property
    def state_detail(self) -> str:
        """The details of the engines that are not ready, each by its device."""
        details = [(self._name(place), engine) for place, engine in enumerate(self.engines)]
        return "; ".join(f"{name}: {engine.state_detail}" for name, engine in details if engine.state_detail)

    @property
    def free_bytes(self) -> int | None:
        """The bytes that were free on the fullest device, if that was too little for its engine to load."""
        return min((engine.free_bytes for engine in self.engines if engine.free_bytes is not None), default=None)

    @property
    def engines_per_device(self) -> int:
        """The number of engines, or of their ranks, on one device."""
        return max(Counter(device for engine in self.engines for device in engine.config.devices).values())

    @property
    def max_num_seqs(self) -> int:
        """The number of requests that run at once in all of them."""
        return sum(engine.max_num_seqs for engine in self.engines)

    @property
    def num_running(self) -> int:
        """Requests that any has begun."""
        return sum(engine.num_running for engine in self.engines)

    @property
    def num_waiting(self) -> int:
        """Requests that none has begun."""
        return sum(engine.num_waiting for engine in self.engines)

    @property
    def num_serving(self) -> int:
        """The number of them that serve."""
        return sum(engine.num_serving for engine in self.engines)

    @property
    def num_preemptions(self) -> int:
        """The number of preemptions of sequences in all of them."""
        return sum(engine.num_preemptions for engine in self.engines)

    @property
    def num_restarts(self) -> int:
        """The number of starts after a death in all of them."""
        return sum(engine.num_restarts for engine in self.engines)

    @property
    def load_progress(self) -> float:
        """The share of the weights that are loaded, of the engine that has the fewest."""
        return min(engine.load_progress for engine in self.engines)

    @property
    def step_tokens(self) -> StepTokens:
        """How many tokens the steps of all of them have computed."""
        return StepTokens.sum(engine.step_tokens for engine in self.engines)

    @property
    def kv_cache_usage(self) -> float:
        """The share of all blocks that sequences hold, from 0 to 1, in the engines that are ready."""
        usages = [engine.kv_cache_usage for engine in self.engines if engine.state is EngineState.READY]
        return sum(usages) / max(1, len(usages))

    @property
    def num_recent_deaths(self) -> int:
        """The deaths within a minute of the process that dies most."""
        return max(engine.num_recent_deaths for engine in self.engines)

    @property
    def is_serving(self) -> bool:
        """Tells if any takes requests and gets on with them."""
        return self.num_serving > 0

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back in the event loop whenever `state` or `is_serving` may have changed."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Starts all processes, and returns while they load."""
        await asyncio.gather(*(engine.start() for engine in self.engines))

    async def stop(self, reason: str = "The server is shutting down.") -> None:
        """Ends all processes; requests that are left end with ModelNotReadyError."""
        await asyncio.gather(*(engine.stop(reason) for engine in self.engines))

    async def wait_until_ready(self) -> EngineInfo:
        """Waits until all have loaded: one that can't is told now, and not by half of the expected speed.

        Returns:
            What every one of them can do.

        Raises:
            ModelNotReadyError: One of them can't be loaded.
        """
        infos: list[EngineInfo] = []
        ends = await asyncio.gather(*(engine.wait_until_ready() for engine in self.engines), return_exceptions=True)
        for place, end in enumerate(ends):
            if isinstance(end, ModelNotReadyError):
                raise ModelNotReadyError(f"{self._name(place)}: {end.message}")
            if isinstance(end, BaseException):
                raise end
            infos.append(end)
        return replace(
            infos[0],
            num_kv_tokens=min(info.num_kv_tokens for info in infos),
            kv_cache_bytes=max(info.kv_cache_bytes for info in infos),
            device=", ".join(info.device for info in infos),
        )

    def check_room(self, account: str, deadline_s: float = math.inf) -> None:
        """Refuses an online request of which no more is known if every engine that serves would; see `Admission`."""
        refusals: list[QueueFullError] = []
        serving = [engine for engine in self.engines if engine.is_serving]
        for engine in serving:
            try:
                engine.check_room(account, deadline_s)
            except QueueFullError as error:
                refusals.append(error)
        if refusals and len(refusals) == len(serving):
            raise min(refusals, key=lambda error: error.retry_after_s or 0)

    async def generate(
        self, submit: Submit, moments: Moments | None = None, deadline_s: float = math.inf
    ) -> AsyncGenerator[EngineOutput, None]:
        """Generates a completion with one of the engines; see `EngineProcess.generate`."""
        full: set[int] = set()
        moments = moments or Moments()
        was_accepted = False
        while True:
            if was_accepted:
                await self._wait_while_all_start()
            place = self._choose(submit, full)
            engine, has_begun = self.engines[place], False
            try:
                generating = engine.generate(submit, moments, deadline_s, was_accepted=was_accepted)
                async with aclosing(generating) as outputs:
                    async for output in outputs:
                        has_begun = True
                        yield output
                return
            except QueueFullError:
                full.add(place)
                if all(load is None for load in self._loads(full)):
                    raise
            except ModelNotReadyError:
                if has_begun or engine.state is EngineState.STOPPED:
                    raise
                was_accepted = True

    async def _wait_while_all_start(self) -> None:
        """Waits for an engine if all have died: a request that was let in is not refused any more."""
        while not any(engine.state is EngineState.READY for engine in self.engines):
            starting = [engine for engine in self.engines if engine.state is EngineState.LOADING]
            if not starting:
                return
            waits = [asyncio.ensure_future(engine.wait_until_ready()) for engine in starting]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def _choose(self, submit: Submit, full: set[int]) -> int:
        loads = self._loads(full)
        if all(load is None for load in loads):
            raise ModelNotReadyError(f"The model is not ready: {self.state_detail}. Try again shortly.")
        # what an adapter makes of a prefix is of no use to another
        return self._affinity.choose(submit.prompt_token_ids, f"{submit.adapter}\0{submit.cache_salt}", loads)

    def _loads(self, full: set[int]) -> list[int | None]:
        """The number of requests that each engine has; None for one that is full or takes none."""
        # One that is stalled still takes requests, but only if there is no other.
        can_serve = [engine.is_serving for engine in self.engines]
        if not any(can_serve):
            can_serve = [engine.state is EngineState.READY for engine in self.engines]
        return [
            engine.num_running + engine.num_waiting if can_serve[place] and place not in full else None
            for place, engine in enumerate(self.engines)
        ]

    def _on_engine_change(self) -> None:
        """Takes what only waits from engines that are down or stalled, if another serves, and tells who follows."""
        for place, engine in enumerate(self.engines):
            if engine.state is not EngineState.READY:
                self._affinity.forget(place)
            if not engine.is_serving and engine.state is not EngineState.STOPPED and self.is_serving:
                engine.release_waiting()
        for callback in self._callbacks:
            callback()

    def _name(self, place: int) -> str:
        return f"engine {place} on {self.engines[place].config.device}"
