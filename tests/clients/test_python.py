"""The Python client's examples, as its README has them."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "clients" / "python" / "examples"


def output_of(example, *arguments):
    """Runs an example as a user does; returns what it prints."""
    command = [sys.executable, EXAMPLES / example, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_run_prints_the_answer(running_stack):
    assert "United States" in output_of("run.py", "where is new york?", running_stack.service_address)


def test_stream_prints_an_answer(running_stack):
    assert len(output_of("stream.py", "Tell me a story", running_stack.service_address).split()) > 10
