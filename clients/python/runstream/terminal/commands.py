"""The command line as a whole."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import click

from runstream.terminal.escapes import one_line
from runstream.terminal.failures import USAGE, Failure
from runstream.terminal.output import drop_unwritten, ends_unread
from runstream.terminal.signals import INTERRUPTED, interrupts_end_at_once, tidy_at_sigterm


def _batch() -> click.Command:
    from runstream.terminal.batch_command import batch

    return batch


def _chat() -> click.Command:
    from runstream.terminal.chat_command import chat

    return chat


def _models() -> click.Command:
    from runstream.terminal.models_command import models

    return models


def _run() -> click.Command:
    from runstream.terminal.run_command import run

    return run


# Each is loaded when it is meant: what `chat` and `batch` need besides takes as long as the rest.
_COMMANDS: Final[Mapping[str, Callable[[], click.Command]]] = {
    "batch": _batch,
    "chat": _chat,
    "models": _models,
    "run": _run,
}


class _Commands(click.Group):
    """The commands and their help. Click itself would end with 1 where nobody reads what they write."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads one; None for a name that none has."""
        with interrupts_end_at_once():
            return _COMMANDS[cmd_name]() if cmd_name in _COMMANDS else None

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Reads the command line."""
        with ends_unread():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with ends_unread():
            return super().invoke(ctx)


def _version() -> str:
    """The version of the package, which is installed by itself or as a part of the service's."""
    try:
        return version("runstream-client")
    except PackageNotFoundError:
        return version("runstream")


def _show_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        click.echo(f"runstream {_version()}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
              help="Show the version and exit.")  # fmt: skip
def cli() -> None:
    """Asks the models of a Runstream service.

    Exit codes: 0 all is well, 1 the service failed or items of a batch did, 2 the command line or a file is wrong,
    3 the request is refused, 4 no answer now, 5 the answer was cut at its most tokens, 130 Ctrl-C, 141 nobody
    reads the output any more, 143 SIGTERM.
    """


def run_command_line() -> int:
    """Runs the command that the arguments name; its exit code. What is wrong is told in one line on stderr."""
    tidy_at_sigterm()
    try:
        code = cli.main(prog_name="runstream", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        return _told(error)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        drop_unwritten()
        return _told(Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
    return code if isinstance(code, int) else 0


def _told(error: click.ClickException) -> int:
    help_of = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        help_of = f" (see {error.ctx.command_path} --help)"
    with suppress(OSError):  # the exit code tells it as well
        print(f"runstream: {one_line(error.format_message())}{help_of}", file=sys.stderr)
    return error.code if isinstance(error, Failure) else error.exit_code
