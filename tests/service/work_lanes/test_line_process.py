"""A process that answers lines: it is started when it is needed, and ended with what does not end."""

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from service.work_lanes.line_process import LineProcess

PROGRAM = """
import os, sys, time
for line in sys.stdin:
    match line.strip():
        case "die":
            os._exit(1)
        case "raise my_secret":
            raise ValueError(line)
        case "sleep":
            time.sleep(3600)
        case _:
            print(os.getpid(), line.strip(), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_one_process_answers_all_lines(program):
    with closing(LineProcess(program, timeout_s=60.0)) as process:
        first, second = process.ask("a"), process.ask("é" * 100_000)
    assert first.split()[0] == second.split()[0]
    assert second.split()[1].decode() == "é" * 100_000


@pytest.mark.parametrize("last", ["die", "sleep"])
def test_what_does_not_answer_is_ended_and_started_again(program, last):
    with closing(LineProcess(program, timeout_s=5.0)) as process:
        before = process.ask("a").split()[0]
        assert process.ask(last) == b""
        assert process.ask("a").split()[0] not in (b"", before)


def test_what_it_dies_of_is_told_by_its_status_only(program, caplog, capfd):
    caplog.set_level("INFO")
    with closing(LineProcess(program, timeout_s=60.0)) as process:
        assert process.ask("raise my_secret") == b""
    assert "program.py gave no answer and ended with status" in caplog.text
    assert "my_secret" not in caplog.text + capfd.readouterr().err


def test_what_was_ended_from_outside_is_started_again(program):
    with closing(LineProcess(program, timeout_s=60.0)) as process:
        process.ask("a")
        process.close()
        assert process.ask("b").split()[1] == b"b"
        process.close()
        process.close()


@pytest.fixture
def descriptors() -> Iterator[None]:
    """So many open descriptors that new ones have numbers over 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as files:
        while files.enter_context(open(os.devnull)).fileno() < 1024:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_may_have_any_descriptors(program, descriptors):
    with closing(LineProcess(program, timeout_s=60.0)) as process:
        assert process.ask("a").split()[1] == b"a"
