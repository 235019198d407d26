"""How `runstream` ends where it is ended from outside, or started without what it writes to."""

import asyncio
import errno
import io
import os
import signal
import subprocess

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output
from runstream.terminal.line_input import TypedLines
from runstream.terminal.signals import tidy_at_sigterm

from tests.support.terminals import COLUMNS, COMMAND, READY, ROWS, terminal

SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"
# Waits for a byte before it lets the command load what it needs.
HELD_AT_START = """
import sys, importlib.abc
class Held(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "prompt_toolkit":
            print("loading", flush=True)
            sys.stdin.read()
sys.meta_path.insert(0, Held())
from runstream.terminal.entry import main
main()
"""

# Gets SIGTERM in the callback that reads what was typed before, while the first prompt stands there.
ENDED_IN_A_CALLBACK = """
import signal, sys
def end(event, values):
    if event == "open" and values[1] == "r" and str(values[0]).endswith("/runstream/history"):
        signal.raise_signal(signal.SIGTERM)
sys.addaudithook(end)
from runstream.terminal.entry import main
main()
"""


def shell(redirection, *arguments):
    """Runs the command as a shell does with a redirection."""
    script = f'exec "$@" {redirection}'
    return subprocess.run(["sh", "-c", script, "sh", *COMMAND, *arguments], capture_output=True, text=True, input="")


def test_ctrl_c_while_it_loads_ends_quietly():
    command = [COMMAND[0], "-c", HELD_AT_START, "models"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("redirection", "arguments", "told"),
    [
        (">&-", ("run", "a"), "standard output is closed"),
        (">&-", ("models",), "standard output is closed"),
        ("<&-", ("run",), "standard input is empty"),
        ("<&- >&-", ("chat",), "standard output is closed"),
        ("<&-", ("run", "--url", "http://127.0.0.1:1", "-m", "m", "a"), "start the service"),
        (">/dev/full", ("--help",), "No space left on device"),
    ],
)
def test_a_closed_stream_is_told_in_one_line(redirection, arguments, told):
    done = shell(redirection, *arguments)
    assert done.returncode in (2, 4)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_place_for_errors_the_exit_code_tells():
    done = shell("2>&-", "run", "--target", "127.0.0.1:1", "a")
    assert (done.returncode, done.stdout) == (4, "")


@pytest.mark.parametrize("arguments", [["run", "b"], ["run", "--stream", "b"], ["models"], ["models", "--json"],
                                       ["chat"]])  # fmt: skip
async def test_a_full_disk_is_told_in_one_line(fake, arguments):
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'exec "$@" >/dev/full', "sh", *COMMAND, *arguments, "--target", fake.target,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, told = await process.communicate(b"b\n")
    assert told == b"runstream: standard output: No space left on device: give it a place that can be written\n"
    assert process.returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "b"], ["run", "--stream", "b"],
                                       ["models"], ["models", "--json"], ["chat"]])  # fmt: skip
async def test_where_nobody_reads_it_ends_as_others_do(fake, arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    place = [] if "--help" in arguments else ["--target", fake.target]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, *place, stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    _, told = await process.communicate(b"b\n")
    assert (process.returncode, told) == (141, b"")


@pytest.mark.parametrize("flags", [[], ["--plain"]], ids=["rendered", "plain"])
async def test_sigterm_in_an_answer_leaves_the_cursor_shown(fake, tmp_path, flags):
    fake.gate.clear()
    with terminal("chat", *flags, "--target", fake.target, state=tmp_path) as screen:
        await screen.until(READY)
        screen.type("where?\r")
        await screen.until("New")
        screen.process.terminate()
        assert await screen.end() == 143
    await fake.cancelled.wait()
    assert screen.screen.rfind(SHOWN) > screen.screen.rfind(HIDDEN)
    assert "Traceback" not in screen.screen
    assert "never retrieved" not in screen.screen


async def test_sigterm_at_the_prompt_leaves_the_terminal_as_it_was(fake, tmp_path):
    with terminal("chat", "--target", fake.target, state=tmp_path) as screen:
        await screen.until(READY)
        screen.process.terminate()
        assert await screen.end() == 143
    assert "\x1b[?2004l" in screen.screen.rpartition(READY)[2]
    assert "Traceback" not in screen.screen


async def test_sigterm_in_a_callback_of_the_prompt_leaves_the_terminal_as_it_was(fake, tmp_path):
    ended = [COMMAND[0], "-W", "error", "-c", ENDED_IN_A_CALLBACK]
    with terminal("chat", "--target", fake.target, state=tmp_path, command=ended) as screen:
        assert await screen.end() == 143
    assert "\x1b[?2004l" in screen.screen.rpartition(READY)[2]
    for word in ("Traceback", "failed", "Unhandled", "Press ENTER"):
        assert word not in screen.screen


class EndedWhileDrawn(io.StringIO):
    """A terminal on which something happens once its prompt stands there for the first time."""

    def __init__(self, end):
        super().__init__()
        self._end = end

    def flush(self):
        """Ends what runs."""
        if READY in self.getvalue() and (end := self._end):
            self._end = None
            end()


def sigterm():
    signal.raise_signal(signal.SIGTERM)


def hang_up():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def tidy():
    """Has this process take SIGTERM as the command does."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tidy_at_sigterm()
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("end", "raised"), [(sigterm, SystemExit), (hang_up, OSError)])
def test_an_end_while_the_prompt_is_drawn_leaves_the_terminal_as_it_was(tidy, end, raised):
    screen = EndedWhileDrawn(end)
    output = Vt100_Output(screen, get_size=lambda: Size(ROWS, COLUMNS))
    with asyncio.Runner() as runner, create_pipe_input() as keys, create_app_session(keys, output):
        lines = TypedLines(runner, is_kept=False)
        with pytest.raises(raised):
            lines.read()
    assert "\x1b[?2004l" in screen.getvalue().rpartition(READY)[2]


async def test_sigterm_at_a_later_prompt_is_taken_as_at_the_first(fake, tmp_path):
    with terminal("chat", "--target", fake.target, state=tmp_path) as screen:
        await screen.until(READY)
        screen.type("/help\r")
        await screen.until(READY)
        screen.process.terminate()
        assert await screen.end() == 143
    assert "Traceback" not in screen.screen


async def test_sigterm_while_a_batch_is_awaited_leaves_the_cursor_shown(fake, tmp_path):
    (tmp_path / "questions.jsonl").write_text('"a"\n')
    fake.batch.num_items = 1
    with terminal("batch", tmp_path / "questions.jsonl", "--target", fake.target, state=tmp_path) as screen:
        await screen.until("0/1")
        screen.process.terminate()
        assert await screen.end() == 143
    assert screen.screen.rfind(SHOWN) > screen.screen.rfind(HIDDEN) > 0
    assert "Traceback" not in screen.screen
