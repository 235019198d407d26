"""What the service is told at its start."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from accounts.limits import Limits
from service.catalog_adapters import CatalogAdapter
from service.devices import AUTO, CPU_BOUNDS, CUDA_BOUNDS, EngineBounds, is_cuda
from service.engine_protocol.acceleration import Acceleration, AccelerationError, check_accelerations
from service.engine_protocol.speculative import Speculative
from transport.addresses import is_loopback
from transport.certificates import CertificateError, CertificateFiles, server_files

UNIX = "unix:"

# Where there are enough descriptors, see `transport.descriptors`.
DEFAULT_MAX_CONNECTIONS: Final = 1024


class ConfigError(ValueError):
    """The service can't start as it is told to; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The service's settings with their defaults. `python -m service --help` tells about each.

    Attributes:
        host, port: Where gRPC listens; port 0 takes a free one. "unix:" and a path is a socket, which has no port.
        metrics_port: Where Prometheus finds metrics, on the same host, or beside a socket on 127.0.0.1; 0 for nowhere.
        models: The catalog ids of the models to load.
        stand_in: The model that answers for those of the catalog that are not loaded; empty for none.
        catalog_files: Catalogs read after the built-in one.
        lora_modules: LoRA adapters beside those of the catalogs.
        devices: The torch devices of the engines: each model has an engine on each. "auto" alone is replaced at the
            start, see `service.models.auto_device`.
        is_device_chosen: Whether that was done.
        tensor_parallel: How many of them, that follow one another, have an engine together and share the model.
        dtype: The torch dtype of the engines; None for the catalog's.
        activation_dtype: See `EngineConfig`.
        max_waiting: The most requests that wait in front of one engine.
        max_waiting_tokens: The most tokens that their prompts have together.
        max_wait_s: How long a request waits in front of one engine.
        max_num_seqs, max_num_batched_tokens, kv_cache_memory_mib: See `EngineConfig`; 0 for the device's own, see
            `EngineBounds`.
        gpu_memory_utilization: See `MemoryShare`.
        num_threads: See `EngineConfig`.
        accelerations: The ways to be faster that are used; None for what trials find.
        speculative: See `EngineConfig`.
        trials: When it is tried which ways to compute are the quickest here: "at-load" of a model, or "never".
        stall_timeout_s: How long an engine may be silent while it has work.
        stall_kill_s: How much longer it may be, until its process is killed and started again; 0 for no end.
        default_timeout_s: The deadline of calls that set none.
        write_timeout_s: How long a message of a stream may wait for its client to read.
        max_connections: The most connections of gRPC.
        max_streams_per_connection: The most calls that are open on each.
        max_connection_age_s: For how long each takes new calls; 0 for no end.
        drain_timeout_s: How long running calls may go on after SIGTERM.
        batch_db: The file that keeps batches; empty for that of `batch_db_of`, "none" for no batches.
        batch_ttl_s: For how many seconds a batch and its results are kept once it is done.
        load: When models are loaded: "at-start", or "on-use" when a request asks for them.
        load_wait_s: How long a request waits for its model to be loaded.
        unload_idle_s: After how long without a request a model is unloaded; 0 for never.
        memory_budget_mib: What the models take together at most, on each device; 0 for what is free there.
        tls_cert, tls_key: The files of the certificate with which gRPC speaks TLS, and of its key; None for plain text.
        edge_workers: How many processes have gRPC's connections; 1 for the service's own.
        engine_command: The command that starts an engine's process; empty for the engine's own.
        tls_peers: The names whose certificates are trusted peers', which may name the account of a call.
        tls_client_ca: The file of the certificates that those of callers must come from; None if callers need none.
        stream_interval: How many tokens a part of a stream gathers, but for the first and the last.
        otlp_endpoint: Where traces go by OTLP; empty for where OpenTelemetry's variables say, if they do.
        log_format: The form of the log's lines, "text" or "json".
        token: What a peer sends as `authorization: Bearer <token>`; empty for none.
        token_file: The tokens of accounts and peers; None for none. Without both nobody needs a token.
        requests_per_minute, tokens_per_minute, concurrent_streams: See `Limits`, for tokens that say nothing of them.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    metrics_port: int = 9464
    models: tuple[str, ...] = ("@runstream/demo",)
    stand_in: str = ""
    catalog_files: tuple[Path, ...] = ()
    lora_modules: tuple[CatalogAdapter, ...] = ()
    devices: tuple[str, ...] = (AUTO,)
    is_device_chosen: bool = False
    tensor_parallel: int = 1
    dtype: str | None = None
    activation_dtype: str = "auto"
    max_waiting: int = 256
    max_waiting_tokens: int = 262_144
    max_wait_s: float = 60.0
    max_num_seqs: int = 0
    max_num_batched_tokens: int = 0
    kv_cache_memory_mib: int = 0
    gpu_memory_utilization: float = 0.9
    num_threads: int = 0
    accelerations: frozenset[Acceleration] | None = None
    trials: str = "at-load"
    speculative: Speculative = Speculative.AUTO
    stall_timeout_s: float = 30.0
    stall_kill_s: float = 60.0
    default_timeout_s: float = 120.0
    write_timeout_s: float = 30.0
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    max_streams_per_connection: int = 2048
    max_connection_age_s: float = 600.0
    drain_timeout_s: float = 30.0
    batch_db: str = ""
    batch_ttl_s: float = 86_400.0
    load: str = "at-start"
    load_wait_s: float = 60.0
    unload_idle_s: float = 0.0
    memory_budget_mib: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_peers: tuple[str, ...] = ()
    edge_workers: int = 1
    engine_command: tuple[str, ...] = ()
    stream_interval: int = 1
    otlp_endpoint: str = ""
    log_format: str = "text"
    token: str = ""
    token_file: Path | None = None
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrent_streams: int = 0

    def __post_init__(self) -> None:
        if not self.models_to_load:
            raise ConfigError("--models is empty: name at least one model to load")
        _ = self.tls_files
        if self.tls_peers and not self.tls_client_ca:
            raise ConfigError("--tls-peers names certificates: give --tls-client-ca, of which they come, too")
        if self.edge_workers > 1 and self.unix_path:
            raise ConfigError(f"--edge-workers {self.edge_workers} needs a port to share: give --host an address")
        try:
            check_accelerations(self.accelerations or frozenset(), self.tensor_parallel)
        except AccelerationError as error:
            raise ConfigError(f"--accelerate: {error}") from error
        self._check_activations()
        if self.devices == (AUTO,):
            return  # what follows depends on them
        if len(self.devices) % self.tensor_parallel:
            raise ConfigError(
                f"--tensor-parallel {self.tensor_parallel} needs that many --devices for each engine, and there are "
                f"{len(self.devices)}: {', '.join(self.devices)}"
            )
        bounds = self.engine_bounds
        if bounds.max_num_batched_tokens < bounds.max_num_seqs:
            raise ConfigError(
                f"--max-num-batched-tokens {bounds.max_num_batched_tokens} is less than --max-num-seqs "
                f"{bounds.max_num_seqs}: each running request needs a token of every step"
            )

    def _check_activations(self) -> None:
        """Refuses activations of 8 bits where none would be rounded."""
        if self.activation_dtype == "auto":
            return
        named = f"--activation-dtype {self.activation_dtype}"
        if any(map(is_cuda, self.devices)):
            raise ConfigError(f"{named} is for models on the CPU: leave it out, or give --device cpu")
        if self.dtype in ("float32", "float64"):
            raise ConfigError(
                f"{named} does not go with --dtype {self.dtype}: give bfloat16 or float16, or leave it out"
            )

    @property
    def default_limits(self) -> Limits:
        """What a token may ask for where its line says nothing."""
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrent_streams)

    @property
    def unix_path(self) -> Path | None:
        """The socket to listen on; None if it is a port."""
        if not self.host.startswith(UNIX):
            return None
        path = self.host.removeprefix(UNIX)
        return Path(path.removeprefix("//") if path.startswith("///") else path)

    @property
    def tls_files(self) -> CertificateFiles | None:
        """The files with which gRPC speaks TLS; None for plain text.

        Raises:
            ConfigError: One of them is missing.
        """
        try:
            return server_files(self.tls_cert, self.tls_key, self.tls_client_ca)
        except CertificateError as error:
            raise ConfigError(str(error)) from None

    @property
    def trusted_names(self) -> frozenset[str] | None:
        """The names of trusted peers' certificates; None if callers need no certificate."""
        return frozenset(self.tls_peers) if self.tls_client_ca else None

    @property
    def is_on_cuda(self) -> bool:
        """Whether the engines run on CUDA devices."""
        return is_cuda(self.devices[0])

    @property
    def engine_bounds(self) -> EngineBounds:
        """The bounds of each engine, with the device's own where none is given."""
        own = CUDA_BOUNDS if self.is_on_cuda else CPU_BOUNDS
        return EngineBounds(
            self.max_num_seqs or own.max_num_seqs,
            self.max_num_batched_tokens or own.max_num_batched_tokens,
            self.kv_cache_memory_mib or own.kv_cache_memory_mib,
        )

    @property
    def models_to_load(self) -> tuple[str, ...]:
        """The models that get an engine: those asked for and the one that stands in, each once."""
        stand_in = (self.stand_in,) if self.stand_in else ()
        return tuple(dict.fromkeys((*self.models, *stand_in)))

    def batch_db_of(self, port: int) -> Path | None:
        """The file that keeps the batches of the service on a port, None if nothing does.

        If no other is asked for, it is in the user's state folder. It is named for the port or the path of the socket,
        which no two services share.
        """
        if self.batch_db == "none":
            return None
        if self.batch_db:
            return Path(self.batch_db)
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        name = str(self.unix_path.absolute()).strip("/").replace("/", "-") if self.unix_path else port
        return Path(state) / "runstream" / f"batches-{name}.sqlite"


DEFAULTS: Final = ServiceConfig()


def check_exposure(host: str, *, has_tokens: bool, allow_anonymous: bool) -> None:
    """Refuses to let the network in without a token.

    Raises:
        ConfigError: It would.
    """
    if has_tokens or allow_anonymous or is_own(host):
        return
    raise ConfigError(
        f"--host {host} lets other machines in without a token: set --token-file or --tls-client-ca, or "
        "--allow-anonymous if that is meant"
    )


def check_plaintext(host: str, has_tls: bool, allow_plaintext_token: bool) -> None:
    """Refuses to have tokens sent where others can read them.

    Raises:
        ConfigError: They would.
    """
    if has_tls or allow_plaintext_token or is_own(host):
        return
    raise ConfigError(
        f"--host {host} has tokens sent in clear text: set --tls-cert and --tls-key, or --allow-plaintext-token if a "
        "proxy before it has TLS or nobody else can read on the way"
    )


def is_own(host: str) -> bool:
    """Whether only this machine reaches a host to listen on."""
    return host.startswith(UNIX) or is_loopback(host)
