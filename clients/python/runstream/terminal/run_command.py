"""`runstream run`: one question, for scripts."""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from runstream.terminal.backend import Backend, Piece, Question
from runstream.terminal.bounded_input import read_file, read_stdin
from runstream.terminal.failures import CUT, Failure
from runstream.terminal.options import UNICODE, Connection, connection, connection_options, default_model, model_option
from runstream.terminal.output import write, write_error
from runstream.terminal.sampling_options import sampling, sampling_options

MAX_SCHEMA_BYTES: Final = 1024 * 1024


@click.command()
@click.argument("prompt", type=UNICODE, required=False)
@model_option
@click.option("-s", "--system", type=UNICODE, help="What the model is told before the prompt.")
@click.option("--raw", is_flag=True, help="The prompt as it is, without the model's chat template.")
@click.option("--schema", type=click.Path(path_type=Path), metavar="FILE", help="The JSON Schema of the answer.")
@click.option("--json", "is_json", is_flag=True, help="A JSON object with text, finish_reason and usage.")
@click.option("--show-thinking", is_flag=True, help="Write what the model thinks to standard error.")
@click.option("--stream/--no-stream", default=None, help="Write as it is generated. Default: on a terminal.")
@click.option("--allow-cut", is_flag=True, help="Exit with 0, not 5, where the most tokens cut the answer.")
@sampling_options
@connection_options
def run(
    prompt: str | None,
    model: str | None,
    system: str | None,
    raw: bool,
    schema: Path | None,
    is_json: bool,
    show_thinking: bool,
    stream: bool | None,
    allow_cut: bool,
    **options: Any,
) -> None:
    """Answers PROMPT, or what standard input has if there is none or it is "-"."""
    place = connection(options)
    if stream and is_json:
        raise Failure("--stream writes text and --json an object: leave one out")
    if system and raw:
        raise Failure("--raw takes the prompt as it is: write into it what --system says")
    if stream is None:
        stream = sys.stdout.isatty() and not is_json and schema is None
    form = None if schema is None else _schema(schema)
    asked = {**sampling(options), "response_format": form, "raw": raw or None}
    question = {**asked, **_input(_text(prompt, place.max_bytes), system)}
    think = write_error if show_thinking else _drop
    last = asyncio.run(_run(place, model, question, stream, is_json, think))
    if last.finish_reason == "length" and not allow_cut:
        raise Failure(_cut(last), CUT)


def _cut(last: Piece) -> str:
    used = (last.usage or {}).get("completion_tokens")
    return f"the answer was cut after {used or 'its most'} tokens: give a larger --max-tokens, or --allow-cut"


def _schema(path: Path) -> Any:
    try:
        schema = json.loads(read_file(path, MAX_SCHEMA_BYTES, "give a smaller schema"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Failure(f"--schema {path} is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise Failure(f"--schema {path} is no JSON Schema: give an object")
    return schema


def _no_number(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is no number in JSON")


def _drop(thinking: str) -> None:
    """Leaves out what the model thinks."""


async def _run(
    place: Connection,
    model: str | None,
    question: Question,
    is_streamed: bool,
    is_json: bool,
    think: Callable[[str], None],
) -> Piece:
    async with place.backend() as backend:
        model = model or await default_model(backend)
        if is_streamed:
            return await _stream(backend, model, question, think)
        answer = await backend.run(model, question)
        if answer.thinking:
            think(answer.thinking + "\n")
        if is_json:
            described = {"model": answer.served_model or model, "text": answer.text}
            described |= {"reasoning_content": answer.thinking} if answer.thinking else {}
            rest = {"finish_reason": answer.finish_reason, "usage": answer.usage}
            write(json.dumps({**described, **rest}, ensure_ascii=False) + "\n")
        else:
            write(answer.text + "\n")
        return answer


def _text(prompt: str | None, max_bytes: int) -> str:
    if prompt is not None and prompt != "-":
        return prompt
    if prompt is None and sys.stdin.isatty():
        raise Failure('there is no prompt: give one, or "-" to type it and end with Ctrl-D')
    text = read_stdin(max_bytes)
    if not text.strip():
        raise Failure("standard input is empty: give a prompt")
    return text


def _input(text: str, system: str | None) -> dict[str, Any]:
    if not system:
        return {"prompt": text}
    return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": text}]}


async def _stream(backend: Backend, model: str, question: Question, think: Callable[[str], None]) -> Piece:
    last = Piece("")
    is_begun = is_thinking = False
    try:
        async with aclosing(backend.stream(model, question)) as pieces:
            async for last in pieces:
                if is_thinking and not last.thinking:
                    think("\n")
                is_thinking = bool(last.thinking)
                think(last.thinking)
                write(last.text)
                is_begun = True
    finally:
        if is_begun:
            write("\n")
    return last
