"""The Python client's examples, run as its README has them against the real service with the demo model."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import client_builds
from tests.support.fake_service import last_part, part
from tests.support.repository import ROOT

EXAMPLES = ROOT / "clients/python/examples"
MAX_LINES = 40


def run(example, *arguments, **environment):
    """Runs an example as a user does."""
    command = [sys.executable, "-W", "error", EXAMPLES / example, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def output_of(example, *arguments, **environment):
    """Runs an example that ends well; what it prints."""
    done = run(example, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short_and_has_a_test(example):
    assert len(example.read_text().splitlines()) <= MAX_LINES
    tested = Path(__file__).read_text() + Path(client_builds.__file__).read_text()
    assert f'"{example.name}"' in tested or f"/{example.name}" in tested


def test_run_prints_the_answer(running_stack):
    assert "United States" in output_of("run.py", "where is new york?", running_stack.service_address)


def test_stream_prints_an_answer(running_stack):
    text, _, rest = output_of("stream.py", "Tell me a story", running_stack.service_address).rpartition("\n(")
    assert text.count(".") >= 3, "the part with the third may go on, with all that was ready"
    assert rest == f"{len(text)} characters)\n"


async def test_stream_leaves_at_the_third_sentence(fake):
    fake.parts = [*map(part, ("One.", " Two.", " Three.", " Four.")), last_part()]
    said = await asyncio.to_thread(output_of, "stream.py", "Tell me a story", fake.target)
    assert said == "One. Two. Three.\n(16 characters)\n"


def test_several_prints_all_answers_and_a_story(running_stack):
    *answers, story = output_of("several.py", running_stack.service_address).splitlines()
    assert "\n".join(answers).count("- ") == 3
    assert story.strip()


def test_tools_prints_a_call_and_the_answer_after_it(running_stack):
    call, answer = output_of("tools.py", running_stack.service_address).split("\n", 1)
    assert call.startswith('Weather({"city":')
    assert call.partition("): ")[2].startswith("It is sunny in ")
    assert answer.strip()


def test_structured_prints_fields_of_the_model(running_stack):
    said = output_of("structured.py", "Describe a city", running_stack.service_address)
    assert said.rstrip().endswith(("capital: True", "capital: False"))


def test_batch_prints_an_answer_for_each_city(running_stack):
    lines = output_of("batch.py", running_stack.service_address).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["Paris", "London", "Rome", "Madrid", "Berlin"]
    assert all(line.partition(": ")[2] for line in lines)


def test_errors_tells_two_apart(running_stack):
    unknown, invalid = output_of("errors.py", "@no/such-model", running_stack.service_address).splitlines()
    assert unknown.startswith("there is no @no/such-model, but @runstream/demo, ")
    assert invalid.startswith("change sampling_params.temperature: ")


def test_tls_asks_with_a_token_and_tells_if_it_is_wrong(secure_stack):
    address = secure_stack.service_address
    assert "New York" in output_of("tls.py", address, secure_stack.ca, RUNSTREAM_TOKEN=secure_stack.token)
    refused = run("tls.py", address, secure_stack.ca, RUNSTREAM_TOKEN="wrong")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "set RUNSTREAM_TOKEN: " in refused.stderr
