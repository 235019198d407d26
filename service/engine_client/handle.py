"""A model's engine as the edge knows it: one process, or several that share its requests."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from service.engine_client.moments import Moments
from service.engine_client.request import EngineOutput, EngineState
from service.engine_protocol.engine_config import EngineConfig, EngineInfo
from service.engine_protocol.messages import Submit


class EngineHandle(Protocol):
    """Starts, ends and speaks to the engine of one model; see `EngineProcess` for what each of these does."""

    @property
    def config(self) -> EngineConfig: ...

    @property
    def state(self) -> EngineState: ...

    @property
    def state_detail(self) -> str: ...

    @property
    def free_bytes(self) -> int | None: ...

    @property
    def engines_per_device(self) -> int: ...

    @property
    def max_num_seqs(self) -> int: ...

    @property
    def num_running(self) -> int: ...

    @property
    def num_waiting(self) -> int: ...

    @property
    def num_serving(self) -> int: ...

    @property
    def num_preemptions(self) -> int: ...

    @property
    def num_restarts(self) -> int: ...

    @property
    def load_progress(self) -> float: ...

    @property
    def kv_cache_usage(self) -> float: ...

    @property
    def num_recent_deaths(self) -> int: ...

    @property
    def is_serving(self) -> bool: ...

    def on_change(self, callback: Callable[[], None]) -> None: ...

    async def start(self) -> None: ...

    async def stop(self, reason: str = ...) -> None: ...

    async def wait_until_ready(self) -> EngineInfo: ...

    def generate(self, submit: Submit, moments: Moments | None = ...) -> AsyncGenerator[EngineOutput, None]: ...
