"""The processes that share a tensor-parallel model. Rank 0 is the engine; the others, its children, compute along.

Rank 0 tells them each step over their standard input, whose end ends them, so that none outlives it, whichever way it
ended. When one of them ends, rank 0 does so too: what the ranks have computed no longer fits together, and the service
starts all of them again.
"""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # it is there, and documented

from service.engine.device import collective_backend, use_device
from service.engine.engine import Engine
from service.engine.process.loading import load_runner
from service.engine.process.rank_steps import StepWriter
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.startup.build import StartedRunner, make_engine
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import pack, receive
from service.engine_protocol.messages import LoadFailed, Loading

_log = logging.getLogger(__name__)

_NOTICED_WITHIN_S = 1.0
"""The time that a process may take to end after its connections."""

_HOST = "127.0.0.1"
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@dataclass(frozen=True, slots=True)
class Join:
    """To another rank, first: what it is.

    Attributes:
        config: The engine's.
        rank: Which it is.
        port: Where on this machine the ranks find each other.
    """

    config: EngineConfig
    rank: int
    port: int


class ProcessRanks:
    """The group that this process has joined; see `Ranks`.

    Args:
        join: Which group, and as what.
        listener: The socket of rank 0 at which the ranks find each other; None on others.

    Attributes:
        device: Where this rank computes.
    """

    def __init__(self, join: Join, listener: socket.socket | None) -> None:
        self.rank, self.world_size = join.rank, len(join.config.devices)
        self.device = join.config.devices[join.rank]
        use_device(self.device)
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, _LOOPBACK)  # or the ranks would listen to the network
        distributed.init_process_group(
            backend=collective_backend(self.device),
            store=_store(join, listener),
            rank=self.rank,
            world_size=self.world_size,
        )

    def all_reduce(self, tensor: torch.Tensor) -> None:
        """Makes a tensor the sum of all ranks' tensors, in place."""
        distributed.all_reduce(tensor)

    def all_reduce_min(self, number: int) -> int:
        """The least of all ranks' numbers."""
        numbers = torch.tensor(number, device=self.device)
        distributed.all_reduce(numbers, distributed.ReduceOp.MIN)
        return int(numbers)

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """All ranks' tensors, of one shape, side by side in the last dimension."""
        tensor = tensor.contiguous()
        gathered = [torch.empty_like(tensor) for _ in range(self.world_size)]
        distributed.all_gather(gathered, tensor)
        return torch.cat(gathered, dim=-1)


def _store(join: Join, listener: socket.socket | None) -> TCPStore:
    world_size = len(join.config.devices)
    if listener is None:
        return TCPStore(_HOST, join.port, world_size)
    # A socket of our own, since the store's would listen to the network.
    return TCPStore(
        _HOST, join.port, world_size, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach()
    )


def load_shard(join: Join, tell: Callable[[Loading], None], listener: socket.socket | None = None) -> StartedRunner:
    """Joins the group and loads a rank's shard of the model, as the others do at the same time.

    Args:
        join: What to join and load.
        tell: Is told how far it is.
        listener: See `ProcessRanks`.

    Raises:
        Exception: What `load_runner` raises.
    """
    ranks = ProcessRanks(join, listener)
    return load_runner(replace(join.config, device=ranks.device), tell, ranks)


def load_sharded(config: EngineConfig, tell: Callable[[Loading | LoadFailed], None]) -> Engine:
    """Starts the other ranks and loads rank 0's shard, each of whose steps they then compute along.

    Args:
        config: The engine's.
        tell: Is told how far rank 0 is, and why another can't be loaded; this process then ends.

    Raises:
        Exception: What `load_runner` raises.
    """
    listener = socket.create_server((_HOST, 0))
    joins = [Join(config, rank, listener.getsockname()[1]) for rank in range(len(config.devices))]
    followers = [Follower(join, tell) for join in joins[1:]]
    try:
        started = load_shard(joins[0], tell, listener)
    except RuntimeError:
        for follower in followers:
            follower.exit_if_ended()
        raise
    steps = StepWriter()

    @contextlib.contextmanager
    def step_scope(packed: list[ScheduledSequence]) -> Iterator[None]:
        try:
            message = pack(steps.write(packed))
            for follower in followers:
                follower.send(message)
            yield
        except Exception:
            _log.exception("a step failed on rank 0, so the ranks no longer fit together")
            os._exit(1)

    started.runner.step_scope = step_scope
    return make_engine(started, config)


class Follower:
    """Another rank, as rank 0 sees it: started here, and watched.

    Args:
        join: What it is told to be.
        tell: Is told why it can't be loaded.
    """

    def __init__(self, join: Join, tell: Callable[[LoadFailed], None]) -> None:
        self._rank, self._tell = join.rank, tell
        environment = os.environ | {"TQDM_DISABLE": "1"}  # rank 0's bars tell of all
        command = [sys.executable, "-m", "service.engine.process.follower"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603
        self.send(pack(join))
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, frame: bytes) -> None:
        """Writes one frame at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(frame)
        self._process.stdin.flush()

    def exit_if_ended(self) -> None:
        """Does not return if this rank has ended: then that is the reason why rank 0 can't be loaded."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_NOTICED_WITHIN_S)
            threading.Event().wait()  # `_watch` tells it

    def _watch(self) -> None:
        assert self._process.stdout is not None
        failed = receive(self._process.stdout)  # type: ignore[arg-type]  # subprocess calls a pipe IO[bytes]
        if isinstance(failed, LoadFailed):
            self._tell(replace(failed, message=f"rank {self._rank}: {failed.message}"))
            os._exit(0)
        _log.error("rank %d ended with status %d, and so does rank 0", self._rank, self._process.wait())
        os._exit(1)
