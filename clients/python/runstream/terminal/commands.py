"""The command line as a whole."""

import sys

import click

from runstream.terminal.batch_command import batch
from runstream.terminal.chat_command import chat
from runstream.terminal.escapes import one_line
from runstream.terminal.failures import INTERRUPTED, USAGE, Failure
from runstream.terminal.models_command import models
from runstream.terminal.run_command import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Asks the models of a Runstream service.

    Exit codes: 0 all is well, 1 the service failed or items of a batch did, 2 the command line or a file is wrong,
    3 the request is refused, 4 no answer now, 5 the answer was cut at its most tokens, 130 Ctrl-C.
    """


for command in (run, chat, models, batch):
    cli.add_command(command)


def run_command_line() -> int:
    """Runs the command that the arguments name; its exit code. What is wrong is told in one line on stderr."""
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
        return _told(Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
    return code if isinstance(code, int) else 0


def _told(error: click.ClickException) -> int:
    help_of = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        help_of = f" (see {error.ctx.command_path} --help)"
    print(f"runstream: {one_line(error.format_message())}{help_of}", file=sys.stderr)
    return error.code if isinstance(error, Failure) else error.exit_code
