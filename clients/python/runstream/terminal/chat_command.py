"""`runstream chat`: a conversation."""

import asyncio
import sys
from contextlib import AbstractContextManager, ExitStack, aclosing, nullcontext
from typing import Any, Protocol

import click
from rich.console import Console

from runstream.terminal import output
from runstream.terminal.backend import Backend, Question
from runstream.terminal.conversation import ChatCommands, Conversation
from runstream.terminal.failures import Failure, failures
from runstream.terminal.line_input import LineInput, PipedLines, TypedLines
from runstream.terminal.markdown import MarkdownAnswer
from runstream.terminal.options import UNICODE, Connection, connection, connection_options, default_model, model_option
from runstream.terminal.sampling_options import sampling, sampling_options


@click.command()
@model_option
@click.option("-s", "--system", type=UNICODE, default="", help="What the model is told first.")
@click.option("--plain", is_flag=True, help="Text as it comes, without rendering Markdown.")
@click.option("--no-history", is_flag=True, help="Keep nothing of what is typed for the next time.")
@sampling_options
@connection_options
def chat(model: str | None, system: str, plain: bool, no_history: bool, **options: Any) -> None:
    """Talks with a model; /help lists what can be typed.

    Without a terminal it is a filter: each line of standard input is asked, and its answer written.
    """
    place = connection(options)
    asked = sampling(options)
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with asyncio.Runner() as runner, ExitStack() as stack:
        backend = _opened(runner, stack, place)
        model = model or runner.run(default_model(backend))
        lines: LineInput
        if is_terminal:
            lines = TypedLines(runner, is_kept=not no_history)
            output.note(f"{model} at {place.url or place.target}; /help tells what can be typed")
        else:
            lines = PipedLines(place.max_bytes)
        is_rendered = is_terminal and not plain
        Chat(runner, backend, Conversation(model, system), asked, is_rendered).talk(lines, is_terminal)


def _opened(runner: asyncio.Runner, stack: ExitStack, place: Connection) -> Backend:
    """Connects in the runner's loop, and closes there."""
    opened = place.backend()
    backend: Backend = runner.run(opened.__aenter__())
    stack.push(lambda *error: bool(runner.run(opened.__aexit__(*error))))
    return backend


class Writer(Protocol):
    """What takes the text of an answer."""

    def write(self, text: str, /) -> None:
        """Adds what follows."""


class _PlainAnswer:
    def write(self, text: str, /) -> None:
        """Writes it at once."""
        output.write(text)


class Chat:
    """A conversation with a service.

    Args:
        runner: Runs each answer: Ctrl-C cancels it, and with it the call.
        asked: How the model samples, as keywords of `Client.run`.
        is_rendered: Whether Markdown is.
    """

    def __init__(
        self, runner: asyncio.Runner, backend: Backend, conversation: Conversation, asked: Question, is_rendered: bool
    ) -> None:
        self._runner = runner
        self._backend = backend
        self._conversation = conversation
        self._asked = asked
        self._console = Console(highlight=False)
        self._is_rendered = is_rendered

    def talk(self, lines: LineInput, is_terminal: bool) -> None:
        """Answers line after line, until there is none or a person leaves.

        Raises:
            Failure: Without a terminal, the first that goes wrong.
        """
        commands = ChatCommands(self._conversation, self._models)
        while (line := lines.read()) is not None:
            try:
                with failures(self._backend.place):
                    if line.startswith("/") and not line.startswith("//"):
                        output.write(commands(line) + "\n")
                    elif line.strip():
                        self._answer(line.removeprefix("/") if line.startswith("//") else line)
            except Failure as error:
                if not is_terminal:
                    raise
                output.note(error.message)
            except KeyboardInterrupt:
                if not is_terminal:
                    raise
                output.note("(stopped)")

    def _models(self) -> list[str]:
        return [model.id for model in self._runner.run(self._backend.models())]

    def _answer(self, text: str) -> None:
        self._conversation.ask(text)
        self._conversation.thinking = ""
        said: list[str] = []
        try:
            finish_reason = self._runner.run(self._write_answer(said))
        finally:
            self._conversation.end_turn("".join(said))
            if said and not self._is_rendered:
                output.write("\n")
        if finish_reason == "length":
            output.note("(cut at its most tokens: leave and give a larger --max-tokens, or ask it to go on)")

    async def _write_answer(self, said: list[str]) -> str:
        question = {**self._asked, "messages": self._conversation.messages}
        finish_reason = ""
        async with aclosing(self._backend.stream(self._conversation.model, question)) as pieces:
            with ExitStack() as stack:
                writer: Writer | None = None
                async for piece in pieces:
                    self._think(piece.thinking)
                    if piece.text:
                        writer = writer or stack.enter_context(self._writer())
                        said.append(piece.text)
                        writer.write(piece.text)
                    finish_reason = piece.finish_reason
        return finish_reason

    def _think(self, text: str) -> None:
        """Keeps what the model thinks apart; a person is told that it does."""
        if text and not self._conversation.thinking:
            output.note("(thinking; /thinking tells what, behind the answer)")
        self._conversation.thinking += text

    def _writer(self) -> AbstractContextManager[Writer]:
        return MarkdownAnswer(self._console) if self._is_rendered else nullcontext(_PlainAnswer())
