"""The command line: `python -m service` serves; with a command behind it, it sees to models, here or in a service."""

import importlib.util
import signal
import sys

if __name__ == "__main__":  # an interrupt while the rest is imported, for seconds, would end in a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if importlib.util.find_spec("torch") is None:
        sys.exit("error: the packages of the service are not installed: pip install 'runstream[service]'")
    from transport.heap import settle_heap

    settle_heap()

import os

# gRPC reads it when it is imported. It would write a line for each handshake that fails, as often as others want.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import asyncio
import functools
import logging
import shlex
from pathlib import Path
from typing import Any

import click

from logs.writing import LOG_FORMATS, write_log
from service.catalog import CatalogError
from service.commands import option_values
from service.commands.caller_options import add_caller_options
from service.commands.device_options import add_device_options
from service.config import (
    DEFAULT_MAX_CONNECTIONS,
    DEFAULTS,
    ConfigError,
    ServiceConfig,
    check_exposure,
    check_plaintext,
)
from service.engine_client.child import ENGINE_COMMAND, Spawner
from service.errors import RunstreamError
from tracing.opening import TracingError
from transport.descriptors import TooManyConnectionsError, most_connections, raise_limit

_option = functools.partial(click.option, show_envvar=True, show_default=True)
_optional = functools.partial(click.option, show_envvar=True, default="")
_PORT = click.IntRange(0, 65535)
_ONE_OR_MORE = click.IntRange(min=1)
_ZERO_OR_MORE = click.IntRange(min=0)
_SECONDS = click.FloatRange(min=0, min_open=True)


class _Group(click.Group):
    """Imports the commands besides serving, which does not need them, only where one is named or all are shown."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        self._import()
        return super().get_command(context, name)

    def list_commands(self, context: click.Context) -> list[str]:
        self._import()
        return super().list_commands(context)

    def _import(self) -> None:
        from service.commands import local

        local.add_to(self)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"auto_envvar_prefix": "RUNSTREAM_SERVICE", "max_content_width": 120},
)
@_option(
    "--host",
    default=DEFAULTS.host,
    callback=option_values.host,
    help="The address to listen on, or unix:/path for a socket.",
)
@_option("--port", type=_PORT, default=DEFAULTS.port, help="The port of gRPC; 0 takes a free one.")
@_option(
    "--metrics-port",
    type=_PORT,
    default=DEFAULTS.metrics_port,
    help="The port of the metrics for Prometheus; 0 for none.",
)
@_option(
    "--models",
    multiple=True,
    default=list(DEFAULTS.models),
    callback=option_values.split,
    help="A model of the catalog to serve, or several with commas between. May be given again.",
)
@_option(
    "--load",
    type=click.Choice(("at-start", "on-use")),
    default=DEFAULTS.load,
    help="Loads the models at the start, or each when a request asks for it; one that is idle then gives its room.",
)
@_option(
    "--load-wait-s",
    type=click.FloatRange(min=0),
    default=DEFAULTS.load_wait_s,
    help="How long a request waits for its model to be loaded; then it gets UNAVAILABLE.",
)
@_option(
    "--unload-idle-s",
    type=click.FloatRange(min=0),
    default=DEFAULTS.unload_idle_s,
    help="Unloads a model that had no request for so long; the next one loads it again. 0 for never.",
)
@_option(
    "--memory-budget-mib",
    type=_ZERO_OR_MORE,
    default=DEFAULTS.memory_budget_mib,
    help="The most memory that the models take together on each device, in MiB; 0 for what is free there.",
)
@_optional("--stand-in", metavar="MODEL", help="A model that answers for those not loaded, and says so.")
@_option(
    "--catalog",
    "catalog_files",
    envvar="RUNSTREAM_SERVICE_CATALOG",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A catalog that adds models or replaces them. May be given again.",
)
@_option(
    "--lora-modules",
    multiple=True,
    metavar="NAME=PATH",
    callback=option_values.lora_modules,
    help="A folder with a LoRA adapter as PEFT saves it, for the model of --models. With several models, JSON as vLLM "
    'takes it: {"name": …, "path": …, "base_model_name": …}. May be given again.',
)
@add_device_options
@_option(
    "--max-waiting",
    type=_ONE_OR_MORE,
    default=DEFAULTS.max_waiting,
    help="The most requests that wait for one model; more get RESOURCE_EXHAUSTED.",
)
@_option(
    "--max-waiting-tokens",
    type=_ONE_OR_MORE,
    default=DEFAULTS.max_waiting_tokens,
    help="The most tokens that the prompts waiting for one model have together; more get RESOURCE_EXHAUSTED.",
)
@_option(
    "--max-wait-s",
    type=_SECONDS,
    default=DEFAULTS.max_wait_s,
    help="How long a request may wait for one model. One that would wait longer, or could not be answered within its "
    "deadline, gets RESOURCE_EXHAUSTED at once.",
)
@_option(
    "--max-num-seqs",
    type=_ZERO_OR_MORE,
    default=DEFAULTS.max_num_seqs,
    help="The most requests that one engine answers at once; 0 for 64, on CUDA 256.",
)
@_option(
    "--stream-interval",
    type=_ONE_OR_MORE,
    default=DEFAULTS.stream_interval,
    help="How many tokens a part of a stream gathers, but for the first and the last: more cost less, and come later.",
)
@_option(
    "--max-num-batched-tokens",
    type=_ZERO_OR_MORE,
    default=DEFAULTS.max_num_batched_tokens,
    help="The most tokens that one step of an engine computes; 0 for 512, on CUDA 2048.",
)
@_option(
    "--kv-cache-memory-mib",
    type=_ZERO_OR_MORE,
    default=DEFAULTS.kv_cache_memory_mib,
    help="The memory of each engine's KV cache, in MiB; 0 for 512, on CUDA for what --gpu-memory-utilization leaves.",
)
@_option(
    "--stall-timeout-s",
    type=_SECONDS,
    default=DEFAULTS.stall_timeout_s,
    help="How long a model may be silent at work before health says so.",
)
@_option(
    "--stall-kill-s",
    type=click.FloatRange(min=0),
    default=DEFAULTS.stall_kill_s,
    help="How much longer it may be, until its process is killed and started again, in seconds; 0 for no end.",
)
@_option(
    "--default-timeout-s",
    type=_SECONDS,
    default=DEFAULTS.default_timeout_s,
    help="The deadline of calls that set none, in seconds.",
)
@_option(
    "--drain-timeout-s",
    type=click.FloatRange(min=0),
    default=DEFAULTS.drain_timeout_s,
    help="How long running calls may go on after SIGTERM, in seconds.",
)
@add_caller_options
@_optional(
    "--batch-db",
    metavar="PATH",
    help="The file that keeps batches and their results, or none for no batches.  "
    "[default: runstream/batches-PORT.sqlite in $XDG_STATE_HOME or ~/.local/state]",
)
@_option(
    "--batch-ttl-s",
    type=click.FloatRange(min=0, min_open=True, max=315_360_000),
    default=DEFAULTS.batch_ttl_s,
    help="How long a batch and its results are kept once it is done, in seconds.",
)
@_option(
    "--edge-workers",
    type=click.IntRange(1, 64),
    default=DEFAULTS.edge_workers,
    help="How many processes have gRPC's connections, each on a core of its own, in front of the same engines.",
)
# For benchmarks and tests of everything around an engine; the command speaks engine_protocol on its pipes.
@_option(
    "--engine-command",
    default="",
    hidden=True,
    callback=lambda context, parameter, value: tuple(shlex.split(value)),
    help="Starts this in place of an engine's process.",
)
@_optional(
    "--otlp-endpoint",
    callback=option_values.endpoint,
    help="Where a collector takes traces by OTLP over gRPC, such as http://127.0.0.1:4317. Else as "
    "OTEL_EXPORTER_OTLP_ENDPOINT says, if it is set.",
)
@_option(
    "--log-format", type=click.Choice(LOG_FORMATS), default=DEFAULTS.log_format, help="The form of the log's lines."
)
@click.pass_context
def main(
    context: click.Context,
    /,
    token: str,
    token_file: Path | None,
    allow_anonymous: bool,
    allow_plaintext_token: bool,
    **settings: Any,
) -> None:
    """Answers text generation over gRPC with models on this machine."""
    if context.invoked_subcommand is not None:
        from service.commands import local

        local.refuse_options_of_serving(context)
        return
    write_log("service", logging.INFO, settings["log_format"])
    # its own threads gain nothing on one prompt at a time, and it warns whenever an engine is started after one
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        settings["max_connections"] = most_connections(
            settings["max_connections"], DEFAULT_MAX_CONNECTIONS, raise_limit()
        )
        config, has_tokens = ServiceConfig(token=token, token_file=token_file, **settings), bool(token or token_file)
        if not config.tls_client_ca:
            check_exposure(config.host, has_tokens=has_tokens, allow_anonymous=allow_anonymous)
        if has_tokens:
            check_plaintext(config.host, config.tls_cert is not None, allow_plaintext_token)
        asyncio.run(_serve(config))
    except (CatalogError, ConfigError, TooManyConnectionsError, TracingError) as error:
        sys.exit(f"error: {error}")
    except RunstreamError as error:
        sys.exit(f"error: {error.message}")


async def _serve(config: ServiceConfig) -> None:
    """Serves; an engine's process starts while the rest of the service is still being imported."""
    spawner = Spawner(config.engine_command or ENGINE_COMMAND)
    try:
        if config.load == "at-start":
            await spawner.spawn_ahead()
        from service.server import serve

        await serve(config, functools.partial(print, flush=True), spawner)
    finally:
        await spawner.end_unused()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(prog_name="python -m service")
