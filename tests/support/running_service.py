"""A service as `python -m service` runs it, in the test's own event loop, with tiny random models."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_status import rpc_status
from runstream.v1 import batches_pb2_grpc, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

from service.catalog import Catalog, CatalogModel
from service.checkpoints.need import Budget
from service.config import ServiceConfig
from service.engine_client.process import EngineProcess
from service.engine_protocol.engine_config import BLOCK_SIZE
from service.engine_protocol.speculative import Speculative
from service.errors import WeightsMissingError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models.load_policy import LoadPolicy
from service.models.loader import Loader
from service.models.loading import LoadableModel
from service.models.models import Models
from service.rpc.auth import Callers
from service.rpc.calls import Calls
from service.rpc.models import ModelServicer
from service.rpc.ports import address
from service.rpc.slow_readers import SlowReaders
from service.rpc.text_generation import TextGenerationServicer
from service.server import Service
from tests.support.engine_states import until

MODEL = "@test/tiny"

_CATALOG = """
[models."@test/tiny"]
description = "A random model with a long context."
checkpoint = "./tiny"
dtype = "float32"
max_prompt_tokens = 8000
max_completion_tokens = 30000
context_window = 32000
default_max_tokens = 32
default_max_tokens_streamed = 64

[models."@test/absent"]
description = "A model without weights."
checkpoint = "nobody/has-this"
max_prompt_tokens = 3000
max_completion_tokens = 2000
context_window = 4096
default_max_tokens = 24
default_max_tokens_streamed = 48
"""


class Stubs:
    """Stubs that speak to a server over a real socket."""

    def __init__(self, channel: grpc.aio.Channel, port: int = 0) -> None:
        self.channel = channel
        self.port = port
        self.text_generation = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        self.batches = batches_pb2_grpc.BatchServiceStub(channel)
        self.models = models_pb2_grpc.ModelServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)
        self.reflection = reflection_pb2_grpc.ServerReflectionStub(channel)


class RunningService(Stubs):
    """A service and its stubs."""

    def __init__(self, service: Service, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.service = service

    @property
    def model(self) -> LoadableModel:
        """The only model that is loaded."""
        model = self.service.models.opened[0]
        assert isinstance(model, LoadableModel)
        return model

    @property
    def engine(self) -> EngineProcess:
        """Its engine."""
        engine = self.model.engine
        assert isinstance(engine, EngineProcess)
        return engine

    @property
    def engine_pid(self) -> int:
        """Its process."""
        assert self.engine.pid is not None
        return self.engine.pid

    async def is_idle(self) -> bool:
        """Waits until the engine has no request; whether all its blocks are free then."""
        engine = self.engine
        await until(engine, lambda: engine.num_running == engine.stats.num_running == engine.stats.num_waiting == 0)
        assert engine.info is not None
        return engine.stats.num_free_blocks * BLOCK_SIZE == engine.info.num_kv_tokens


def write_catalog(folder: Path) -> Path:
    """Writes a catalog whose one model with weights is the folder's `tiny`."""
    path = folder / "catalog.toml"
    path.write_text(_CATALOG)
    return path


def config(catalog: Path, **changes: Any) -> ServiceConfig:
    """Settings for the model of `write_catalog`, on free ports."""
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "metrics_port": 0,
        "models": (MODEL,),
        "catalog_files": (catalog,),
        "devices": ("cpu",),
        "max_waiting": 4,
        "max_waiting_tokens": 32_000,
        "max_num_seqs": 16,
        "max_num_batched_tokens": 256,
        "kv_cache_memory_mib": 64,
        "num_threads": 1,
        "accelerations": frozenset(),
        "trials": "never",
        "speculative": Speculative.NONE,
        "stall_kill_s": 0.0,
        # However slow the machine is, nobody is refused for how long it would have to wait.
        "default_timeout_s": 3600.0,
        "max_wait_s": 3600.0,
        "max_connection_age_s": 0.0,
        "batch_db": "none",
    }
    return ServiceConfig(**(settings | changes))


@contextlib.asynccontextmanager
async def run_service(settings: ServiceConfig) -> AsyncIterator[RunningService]:
    """Starts a service, and ends it whatever happened."""
    service = Service(settings, report=print)
    try:
        await service.start()
        async with grpc.aio.insecure_channel(address(settings.host, service.port)) as channel:
            yield RunningService(service, channel)
    finally:
        await service.stop()


def models_with(catalog: Catalog, *models: LoadableModel, stand_in: str = "") -> Models:
    """The models of a catalog, of which only some can ever be loaded."""

    def refuse(entry: CatalogModel) -> LoadableModel:
        raise WeightsMissingError(f"{entry.id} is not here")

    made = Models(catalog, stand_in, Loader(LoadPolicy(), Budget(["cpu"], 0)), refuse)
    for model in models:
        made.add(model)
    return made


@contextlib.asynccontextmanager
async def run_edge(
    running: RunningService, calls: Calls, stand_in: str = "", write_timeout_s: float = 30.0
) -> AsyncIterator[Stubs]:
    """Puts another server in front of the model of a running service, and ends it whatever happened."""
    models = models_with(running.service.models.catalog, running.model, stand_in=stand_in)
    callers, metrics = Callers(None), Metrics()
    server = grpc.aio.server()
    slow_readers = SlowReaders(write_timeout_s, metrics.count_slow_reader)
    generator = TextGenerator(models, metrics)
    servicer = TextGenerationServicer(generator, calls, callers, metrics, slow_readers)
    text_generation_pb2_grpc.add_TextGenerationServiceServicer_to_server(servicer, server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(models, callers, metrics), server)
    port = server.add_insecure_port("127.0.0.1:0")
    try:
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Stubs(channel, port)
    finally:
        await server.stop(None)
        generator.close()


def ask(text: str = "Where is New York?", model: str = MODEL, **params: Any) -> pb.RunRequest:
    """A request with a user message and sampling params."""
    message = pb.Message(role="user", content=[pb.ContentPart(text=text)])
    return pb.RunRequest(
        model=model,
        conversation=pb.Conversation(messages=[message]),
        sampling_params=pb.SamplingParams(**({"temperature": 0.0} | params)),
    )


def details(error: grpc.aio.AioRpcError, kind: type[Message]) -> Message | None:
    """The google.rpc detail of a kind that a status carries."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it reads only what both kinds of error have
    for packed in status.details if status else ():
        if packed.Is(kind.DESCRIPTOR):
            unpacked = kind()
            packed.Unpack(unpacked)
            return unpacked
    return None


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo that every status of the service carries."""
    info = details(error, error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert info.domain == "runstream"
    return info
