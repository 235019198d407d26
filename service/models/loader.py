"""When models are loaded and unloaded: at the start, when a request waits for one, or needs its room, when idle."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Callable

from service.checkpoints.errors import CheckpointError
from service.checkpoints.need import Budget
from service.devices import is_cuda
from service.engine_client.request import EngineState
from service.engine_protocol.sampling_params import Priority
from service.errors import ModelNotReadyError, QueueFullError, RunstreamError
from service.models.load_policy import LoadPolicy
from service.models.load_state import LoadState
from service.models.loading import LoadableModel
from service.models.model import LoadedParts
from service.models.room import NoRoomError, Room

_log = logging.getLogger(__name__)

_LEAST_PERIOD_S = 0.05
_STOPPING = "The server is shutting down."


class Loader:
    """Loads and unloads models. Each is loaded by one task, for which all wait that need it.

    Args:
        policy: When.
        budget: The memory that they share.
        clock: Tells the time, in seconds.
    """

    def __init__(self, policy: LoadPolicy, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._room = Room(budget)
        self._clock = clock
        self._models: list[LoadableModel] = []
        self._loads: dict[LoadableModel, asyncio.Task[None]] = {}
        self._unloads: dict[LoadableModel, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # who was asked for first takes room first, whoever is read sooner
        self._is_stopping = False
        # CUDA's memory is known to the engines alone, and each asks before it takes any: one after the other.
        self._device = asyncio.Lock() if is_cuda(budget.devices[0]) else contextlib.nullcontext()

    def add(self, model: LoadableModel) -> None:
        """Has it load and unload a model."""
        self._models.append(model)
        model.on_change(self._tell)

    @property
    def loads_on_use(self) -> bool:
        """Whether a request loads a model that is not."""
        return self._policy.on_use

    @contextlib.asynccontextmanager
    async def using(self, model: LoadableModel, priority: Priority = Priority.ONLINE) -> AsyncIterator[LoadedParts]:
        """Waits until a model is loaded, and keeps it so.

        Raises:
            ModelNotReadyError: It can't be loaded, or not within the time that a request waits.
            QueueFullError: As many requests wait for it as may; those that give way to this one don't count.
        """
        parts = model.loaded() if model.is_loaded else await self._wait(model, priority)
        model.use.running[priority] += 1
        try:
            yield parts
        finally:
            model.use.running[priority] -= 1
            self._end_use(model)

    async def load(self, model: LoadableModel) -> None:
        """Loads a model and waits for that.

        Raises:
            ModelNotReadyError: It can't be, or there is no room for it.
        """
        model.use.num_loads += 1
        try:
            await self._wait_until_loaded(model, is_asked_for=True)
        finally:
            model.use.num_loads -= 1
            self._end_use(model)

    async def load_all(self) -> dict[str, RunstreamError]:
        """Loads all models side by side; tells why some are not, by id."""
        ends = await asyncio.gather(*map(self.load, self._models), return_exceptions=True)
        failures = {model.entry.id: end for model, end in zip(self._models, ends, strict=True) if end is not None}
        # What nobody foresaw stands in the log.
        unforeseen = ModelNotReadyError("it could not be loaded; the service's log says why")
        return {name: end if isinstance(end, RunstreamError) else unforeseen for name, end in failures.items()}

    async def unload(self, model: LoadableModel, reason: str, drain_s: float = 0.0) -> None:
        """Unloads a model, or ends its being loaded.

        Args:
            model: The model.
            reason: What the requests that are left are told, and who asks for the model's state.
            drain_s: How long requests may go on before.
        """
        while other := self._unloads.get(model):
            await asyncio.wait([other])
        is_due = asyncio.Event()
        model.withdraw(reason)
        # a task of its own: whoever waits may be cancelled, and half an end is none
        task = self._unloads[model] = asyncio.create_task(self._close(model, reason, drain_s, is_due))
        try:
            await _end_of(task)
        finally:
            is_due.set()
            self._tell()

    async def _close(self, model: LoadableModel, reason: str, drain_s: float, is_due: asyncio.Event) -> None:
        try:
            if task := self._loads.get(model):
                task.cancel()
                await asyncio.wait([task])
            model.withdraw(reason)  # in place of what the load told of its end
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    while model.use.running.total() and not is_due.is_set():
                        await self._news.wait()
            await model.unload(reason)
        finally:
            del self._unloads[model]

    async def unload_idle(self) -> None:
        """Unloads the models that have had no request for long enough; the next one loads them."""
        for model in list(self._models):
            idle_s = self._clock() - model.use.last_s
            if model.is_loaded and model.use.is_idle and idle_s >= self._policy.unload_idle_s:
                model.loads_on_use = True
                await self.unload(model, f"it had no request for {idle_s:.0f} s")

    async def follow(self) -> None:
        """Unloads idle models until cancelled."""
        while self._policy.unload_idle_s:
            await asyncio.sleep(max(self._policy.unload_idle_s / 10, _LEAST_PERIOD_S))
            await self.unload_idle()

    async def stop(self) -> None:
        """Ends all engines, and loads nothing any more."""
        self._is_stopping = True
        await asyncio.gather(*(self.unload(model, _STOPPING) for model in self._models))

    async def _wait(self, model: LoadableModel, priority: Priority) -> LoadedParts:
        """The parts of a model, once they are there."""
        waiting, most = model.use.waiting, self._policy.max_waiting
        if sum(number for each, number in waiting.items() if each <= priority) >= most:
            raise QueueFullError(
                f"As many requests wait for {model.entry.id} to be loaded as may, {most} (max_waiting). "
                "Try again shortly.",
                max_waiting=most,
            )
        waiting[priority] += 1
        try:
            async with asyncio.timeout(self._policy.wait_s):
                await self._wait_until_loaded(model)
        except TimeoutError:
            raise _not_ready(model, "is still being loaded") from None
        finally:
            waiting[priority] -= 1
            self._end_use(model)
        return model.loaded()

    async def _wait_until_loaded(self, model: LoadableModel, *, is_asked_for: bool = False) -> None:
        """Waits until a model is loaded; starts that if need be, after a failure only if it is asked for by name."""
        while not model.is_loaded:
            if self._is_stopping:
                raise ModelNotReadyError(_STOPPING)
            if (task := self._loads.get(model)) and not task.done():
                await _end_of(task)
                if task.cancelled() and is_asked_for:
                    raise _not_ready(model, "is not loaded")
            elif model.state is EngineState.FAILED and not is_asked_for:
                raise _not_ready(model, "can't be loaded")
            elif model.state is EngineState.STOPPED and not (is_asked_for or model.loads_on_use):
                raise _not_ready(model, "is not loaded")
            elif model.load_state is LoadState.UNLOADING or model.state is EngineState.LOADING:
                await self._news.wait()  # in the second case its engine is started again
            else:
                self._start(model)

    def _start(self, model: LoadableModel) -> asyncio.Task[None]:
        model.wait("it waits for its turn to be loaded")
        task = self._loads[model] = asyncio.create_task(self._load(model))
        task.add_done_callback(functools.partial(self._forget, model))
        return task

    def _forget(self, model: LoadableModel, task: asyncio.Task[None]) -> None:
        if self._loads.get(model) is task:
            del self._loads[model]
        if not task.cancelled() and (error := task.exception()):
            is_foreseen = isinstance(error, RunstreamError)
            _log.error("%s is not loaded: %s", model.entry.id, error, exc_info=None if is_foreseen else error)
        self._tell()

    async def _load(self, model: LoadableModel) -> None:
        started_s = self._clock()
        try:
            async with self._turn:
                await model.read_need()
            async with self._device:
                await self._load_into_room(model)
        except NoRoomError as error:
            # with the next request there may be room; without one, nobody would try again
            if model.loads_on_use:
                model.give_up(error.message)
            else:
                model.fail(error.message)
            raise
        except (ModelNotReadyError, CheckpointError, OSError) as error:
            model.fail(str(error))
            raise _not_ready(model, "can't be loaded") from error
        except asyncio.CancelledError:
            model.give_up("its loading was ended")
            raise
        except BaseException:
            model.fail("it could not be loaded; the service's log says why")
            raise
        model.use.last_s = self._clock()
        _log.info("%s is loaded: %s in %.1f s", model.entry.id, model.need, model.use.last_s - started_s)

    async def _load_into_room(self, model: LoadableModel) -> None:
        """Loads a model as soon as there is room for it, for which idle ones go."""
        free_bytes = None
        while True:
            try:
                self._room.check(model, self._models, free_bytes)
                await model.load()
                return
            except NoRoomError as error:
                await self._make_room(model, error)
                free_bytes = None
            except ModelNotReadyError:
                if model.engine.free_bytes is None:
                    raise
                model.wait("it waits for room: its device is full")
                free_bytes = model.engine.free_bytes

    async def _make_room(self, model: LoadableModel, error: NoRoomError) -> None:
        """Unloads the model that has been idle for longest; if none is, waits until one is or its memory is free.

        Raises:
            NoRoomError: The one given: nothing is unloaded for this model, or not in time.
        """
        if not (self._policy.on_use and model.use.takes_room and self._room.can_hold(model)):
            raise error
        model.wait(f"it waits for room: {error.message}")
        reserved = self._room.reserved(self._models)
        try:
            async with asyncio.timeout(self._policy.wait_s):
                while not (idle := self._idle_for_longest()) and reserved == self._room.reserved(self._models):
                    await self._news.wait()
                    if not model.use.takes_room:
                        raise error
        except TimeoutError:
            raise error from None
        if idle:
            idle.loads_on_use = True
            await self.unload(idle, f"{model.entry.id} needs its room")

    def _idle_for_longest(self) -> LoadableModel | None:
        idle = [model for model in self._models if model.is_loaded and model.use.gives_way]
        return min(idle, key=lambda model: model.use.last_s, default=None)

    def _end_use(self, model: LoadableModel) -> None:
        model.use.last_s = self._clock()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _end_of(task: asyncio.Task[None]) -> None:
    """Waits for a task and raises its error; that it was cancelled is no error of who waits."""
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()):
        raise error


def _not_ready(model: LoadableModel, what: str) -> ModelNotReadyError:
    detail = model.state_detail
    return ModelNotReadyError(f"{model.entry.id} {what}: {detail}", model=model.entry.id)
