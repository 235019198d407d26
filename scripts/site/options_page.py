"""The page of every option of the two servers, made from their command lines."""

from collections.abc import Iterator
from typing import Final

import click

import bridge.__main__
import service.__main__

_INTRODUCTION: Final = """# Options of the two servers

This page is made from the commands themselves; `--help` shows the same. An option that names an environment variable
can be set there instead."""

_SERVERS: Final[dict[str, click.Command]] = {
    "python -m service": service.__main__.main,
    "python -m bridge": bridge.__main__.main,
}


def markdown() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for name, command in _SERVERS.items():
        parts += _sections(name, command, None)
    return "\n\n".join(parts) + "\n"


def _sections(name: str, command: click.Command, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, parent, info_name=name.rpartition(" ")[2], **command.context_settings)
    arguments = [one.make_metavar(context) for one in command.params if isinstance(one, click.Argument)]
    yield f"{'###' if parent else '##'} {' '.join([name, *arguments])}"
    yield " ".join((command.help or "").split())
    records = [record for one in command.params if (record := one.get_help_record(context))]
    if records:
        rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records]
        yield "\n".join(["| option | what it does |", "|---|---|", *rows])
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _sections(f"{name} {inner}", found, context)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
