"""What an engine is told to do, over a pipe and by threads."""

import os
from concurrent.futures import Future

import pytest

from service.engine.process.commands import Commands, Compiled
from service.engine_protocol.framing import pack
from service.engine_protocol.messages import Abort, Submit
from service.engine_protocol.sampling_params import SamplingParams


@pytest.fixture
def pipe() -> tuple[Commands, int]:
    """Commands that come over a pipe, and its end to write to; it stays open, for its end would end the process."""
    source, sink = os.pipe()
    commands = Commands()
    commands.read_from(os.fdopen(source, "rb", buffering=0))
    return commands, sink


def test_all_that_stands_in_the_pipe_is_there_at_once_in_its_order(pipe: tuple[Commands, int]) -> None:
    commands, sink = pipe
    for number in range(500):
        os.write(sink, pack(Abort(f"{number} first")) + pack(Abort(f"{number} second")))
        assert commands.pop() == Abort(f"{number} first")
        assert commands.pop() == Abort(f"{number} second")
        assert commands.pop() is None


def test_what_threads_add_comes_in_its_turn(pipe: tuple[Commands, int]) -> None:
    commands, sink = pipe
    compiled = Compiled(Submit("it", [5], SamplingParams(1)), Future())
    commands.put(compiled)
    assert commands.get() == compiled
    os.write(sink, pack(Abort("other")))
    assert commands.get() == Abort("other")
    assert commands.pop() is None


def test_a_command_that_comes_in_pieces_is_waited_for_only_a_moment(pipe: tuple[Commands, int]) -> None:
    commands, sink = pipe
    framed = pack(Submit("long", list(range(5000)), SamplingParams(1)))
    os.write(sink, framed[:4000])
    assert commands.pop() is None
    os.write(sink, framed[4000:])
    long = commands.get()
    assert isinstance(long, Submit)
    assert long.prompt_token_ids == list(range(5000))
