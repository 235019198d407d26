"""`runstream batch`: a file of requests, answered some time; run again, it goes on where it was."""

import asyncio
import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from runstream.async_client import AsyncClient
from runstream.batch import Batch, BatchResult
from runstream.connection import MAX_MESSAGE_BYTES
from runstream.errors import RunstreamError
from runstream.terminal.batch_lines import BatchLines
from runstream.terminal.bounded_input import read_file
from runstream.terminal.failures import FAILED, UNAVAILABLE, Failure, described, exit_code, failures
from runstream.terminal.grpc_backend import GrpcBackend, counted
from runstream.terminal.options import Connection, connection, connection_options, default_model, model_option
from runstream.terminal.output import write

# A fixed name space: the same file has the same id on every machine.
NAMESPACE: Final = uuid.UUID("8a4d2c36-6d0e-5f0f-9d5c-2f0f6f6f7a11")
POLL_S: Final = 0.5


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help='Where results go, "-" for stdout. Default: FILE with .results.jsonl at its end.',
)
@model_option
@click.option("--new", "is_new", is_flag=True, help="Ask again what was asked before.")
@connection_options
def batch(file: Path, output: Path | None, model: str | None, is_new: bool, **options: Any) -> None:  # fmt: skip
    """Answers FILE, a request on each line: a JSON string, or an object of run's keywords.

    The results are written in the file's order once all are there, a JSON object on each line. Run again after it was
    interrupted, the command finds its batch by the file's content and the model, and asks nothing twice: give -m to be
    sure that it is the same model.
    """
    place = connection(options)
    if place.url:
        raise Failure("batch speaks gRPC only: give --target instead of --url")
    text = read_file(file, MAX_MESSAGE_BYTES, "split it into several")
    lines = BatchLines(text, file)
    results = output or file.with_name(f"{file.name.removesuffix('.jsonl')}.results.jsonl")
    _check_place(results, file)
    failed = asyncio.run(_answer(place, model, lines, _Asked(text, is_new), results))
    if failed:
        told = "its line says" if failed == 1 else "their lines say"
        raise Failure(f"{failed} of {_items_of(len(lines.items))} failed: {told} why in {results}", FAILED)
    if str(results) != "-":
        click.echo(f"results: {results}", err=True)


def _items_of(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _check_place(results: Path, file: Path) -> None:
    """Refuses before the work what could not be written after it."""
    if str(results) == "-":
        return
    if results.exists() and results.samefile(file):
        raise Failure(f"--output {results} is the file with the requests: give another")
    # A folder can't be replaced, and a device or a pipe must not be.
    if results.exists() and not results.is_file():
        raise Failure(f'{results} is no regular file: give another --output, or "-" for stdout')
    folder = results.resolve().parent
    if not os.access(folder, os.W_OK):
        raise Failure(f"nothing can be written into {folder}: give another --output")


class _Asked:
    """What makes two batches the same."""

    def __init__(self, text: str, is_new: bool) -> None:
        self._text = text
        self._is_new = is_new

    def request_id(self, model: str) -> str:
        """The id of the request that creates the batch."""
        if self._is_new:
            return str(uuid.uuid4())
        content = hashlib.sha256(json.dumps([model, self._text]).encode()).hexdigest()
        return str(uuid.uuid5(NAMESPACE, content))


async def _answer(place: Connection, model: str | None, lines: BatchLines, asked: _Asked, output: Path) -> int:
    """Creates or finds the batch, waits for it and writes its results; how many of them are errors."""
    async with place.client() as client:
        with failures(place.target):
            model = model or await default_model(GrpcBackend(client, place.target))
            made = await _create(client, model, lines, asked)
            click.echo(f"batch {made.id} of {model}: {_items_of(made.num_items)}, {made.num_ended} done; "
                       "the same command finds it again", err=True)  # fmt: skip
            ended = await _wait(client, made)
            if ended.state == "cancelled":
                click.echo(f"batch {made.id} was cancelled: --new asks again", err=True)
            return await _write(client, ended, output)


async def _create(client: AsyncClient, model: str, lines: BatchLines, asked: _Asked) -> Batch:
    try:
        return await client.batches.create(model, lines.items, request_id=asked.request_id(model))
    except RunstreamError as error:
        told = described(error, "")
        if (placed := lines.placed(told)) == told:
            raise
        raise Failure(placed, exit_code(error)) from None


async def _wait(client: AsyncClient, made: Batch) -> Batch:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("answered", total=made.num_items)
        return await client.batches.wait(
            made.id, poll_s=POLL_S, progress=lambda batch: bar.update(task, completed=batch.num_ended)
        )


async def _write(client: AsyncClient, ended: Batch, output: Path) -> int:
    num_failed = num_written = 0
    with _whole_file(output) as write_line:
        async for result in client.batches.results(ended.id):
            write_line(json.dumps(_line(result), ensure_ascii=False) + "\n")
            num_failed += result.error is not None
            num_written += 1
        if num_written != ended.num_items:
            raise Failure(f"only {num_written} of {ended.num_items} results came: run the same again", UNAVAILABLE)
    return num_failed


def _line(result: BatchResult) -> dict[str, Any]:
    line: dict[str, Any] = {"index": result.index}
    if result.external_reference is not None:
        line["external_reference"] = result.external_reference
    if result.error is not None:
        return {**line, "error": {"reason": result.error.reason, "message": result.error.message}}
    assert result.result is not None
    answer = result.result
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments_json} for call in answer.tool_calls]
    line |= {"reasoning_content": answer.reasoning_content} if answer.reasoning_content else {}
    line |= {"text": answer.text, "finish_reason": answer.finish_reason, "usage": counted(answer.usage)}
    return {**line, "tool_calls": calls} if calls else line


@contextmanager
def _whole_file(path: Path) -> Iterator[Callable[[str], object]]:
    """Writes to a file that is there as a whole or not at all."""
    if str(path) == "-":
        yield write
        return
    path = path.resolve()  # what a link names is replaced, and not the link: /dev/stdout is one
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            yield file.write
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
