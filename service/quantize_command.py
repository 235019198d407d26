"""`python -m service quantize`."""

import sys
from pathlib import Path

import click

from service.catalog import CatalogError, load_catalog
from service.checkpoints.locate import locate
from service.errors import RunstreamError


@click.command(short_help="Quantizes the weights of a model ahead of serving it.")
@click.argument("model", metavar="MODEL")
@click.option("--to", type=click.Choice(["int8"]), required=True, help="To what: 8 bits, by optimum-quanto.")
@click.option(
    "--catalog",
    "catalog_files",
    envvar="RUNSTREAM_SERVICE_CATALOG",
    show_envvar=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A catalog that adds models or replaces them. May be given again.",
)
def quantize(model: str, to: str, catalog_files: tuple[Path, ...]) -> None:
    """Quantizes the weights of MODEL, a model of the catalog or a folder, and writes them next to the source.

    The new folder has the source's name and "-int8" at its end. A model of the catalog whose quantization is int8 is
    loaded from it from then on; without it, the plain weights are quantized each time they are loaded. The source stays
    as it is, and nothing is fetched.
    """
    try:
        source = Path(model).resolve() if Path(model).is_dir() else _checkpoint(model, catalog_files)
        click.echo(f"Quantizing {source} to {to}", err=True)
        _quantize(source)
    except RunstreamError as error:
        sys.exit(f"error: {error.message}")
    except (CatalogError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def _checkpoint(model_id: str, catalog_files: tuple[Path, ...]) -> Path:
    catalog = load_catalog(*catalog_files)
    if model_id not in catalog:
        raise ValueError(f"{model_id} is neither a folder nor a model of the catalog, which has {', '.join(catalog)}")
    return locate(catalog[model_id])


def _quantize(source: Path) -> None:
    from service.checkpoints.quantize import quantize_checkpoint  # torch, which --help does not need

    with click.progressbar(length=1, label="int8", show_pos=False, file=sys.stderr) as bar:

        def report(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        target = quantize_checkpoint(source, report)
    click.echo(str(target))
