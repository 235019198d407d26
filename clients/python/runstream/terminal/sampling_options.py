"""The options by which `run` and `chat` say how a model writes."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from runstream.terminal.options import UNICODE

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_NUMBERS: Final = {
    "max_tokens": (int, "The most tokens of an answer."),
    "temperature": (float, "How random the choice is; 0 takes the most likely token."),
    "top_p": (float, "Only the likeliest tokens that have this probability together."),
    "top_k": (int, "Only this many of the likeliest tokens."),
    "min_p": (float, "Only tokens at least this many times as likely as the likeliest."),
    "repetition_penalty": (float, "Weakens tokens that stand in prompt or answer."),
    "frequency_penalty": (float, "Weakens tokens by how often they stand in the answer."),
    "presence_penalty": (float, "Weakens tokens that stand in the answer."),
    "seed": (int, "Makes the answer repeatable."),
}


def sampling_options(command: CommandT) -> CommandT:
    """Gives a command the options; `sampling` takes them out again."""
    command = click.option(
        "--thinking/--no-thinking", default=None, help="Whether the model thinks first, if it has a switch for that."
    )(command)
    command = click.option("--reasoning-effort", type=UNICODE, metavar="WORD", help="How long it thinks.")(command)
    command = click.option(
        "--stop", type=UNICODE, multiple=True, metavar="TEXT", help="Ends the answer; may be repeated."
    )(command)
    command = click.option("--lora", type=UNICODE, metavar="NAME", help="A LoRA adapter of the model.")(command)
    for name, (kind, text) in reversed(_NUMBERS.items()):
        command = click.option(f"--{name.replace('_', '-')}", type=kind, help=text)(command)
    return command


def sampling(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the sampling options out of a command's options: those that were given, as keywords of `Client.run`."""
    given = {name: options.pop(name) for name in ("lora", "reasoning_effort", *_NUMBERS)}
    thinking = options.pop("thinking")
    if thinking is not None:
        given["chat_template_kwargs"] = {"enable_thinking": thinking}
    stops = options.pop("stop")
    if stops:
        given["stop_sequences"] = list(stops)
    return {name: value for name, value in given.items() if value is not None}
