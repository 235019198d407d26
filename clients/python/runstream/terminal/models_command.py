"""`runstream models`."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from runstream.terminal.backend import ListedModel
from runstream.terminal.escapes import Visible
from runstream.terminal.options import Connection, connection, connection_options
from runstream.terminal.output import write


@click.command()
@click.option("--json", "is_json", is_flag=True, help="One JSON array instead of a table.")
@connection_options
def models(is_json: bool, **options: Any) -> None:
    """Lists the models and whether they can answer."""
    listed = asyncio.run(_list(connection(options)))
    if is_json:
        write(json.dumps([asdict(model) for model in listed], ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(Visible(_table(listed)))
        return
    # As wide as it must be: nobody cuts what a script reads.
    lines = io.StringIO()
    Console(file=lines, highlight=False, width=400).print(Visible(_table(listed)))
    write(lines.getvalue())


async def _list(place: Connection) -> list[ListedModel]:
    async with place.backend() as backend:
        return await backend.models()


def _table(listed: Sequence[ListedModel]) -> Table:
    table = Table("MODEL", "STATE", "CONTEXT", "ANSWERED BY", box=None, pad_edge=False, header_style="bold")
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for model in listed:
        served = model.served_model if model.served_model != model.id else ""
        table.add_row(model.id, model.state, str(model.context_window or ""), served)
    return table
