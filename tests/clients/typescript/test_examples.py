"""The TypeScript client's examples, run as its README has them against the real service with the demo model."""

import asyncio
import os
import subprocess

from scripts.real_clients import NODE
from tests.support.client_builds import CLIENTS
from tests.support.fake_service import last_part, part

EXAMPLES = CLIENTS / "typescript/examples"
MAX_LINES = 50
CHECK = "--ignoreConfig --noEmit --allowJs --checkJs --strict --module nodenext --target es2022 --types node"


def run(example, *arguments, **environment):
    """Runs an example as a user does."""
    command = [NODE, "--throw-deprecation", EXAMPLES / example, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, **environment})


def output_of(example, *arguments, **environment):
    """What an example prints, which ends well."""
    done = run(example, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_examples_are_short_and_have_types_that_fit(package):
    examples = sorted(EXAMPLES.iterdir())
    assert all(len(example.read_text().splitlines()) <= MAX_LINES for example in examples)
    tsc = package / "node_modules/typescript/bin/tsc"
    command = [NODE, tsc, *CHECK.split(), "--lib", "es2023,dom,dom.asynciterable", *examples]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_run_prints_the_answer(package, running_stack):
    assert "United States" in output_of("run.mjs", "where is new york?", running_stack.service_address)


def test_stream_prints_an_answer(package, running_stack):
    text, _, rest = output_of("stream.mjs", "Tell me a story", running_stack.service_address).rpartition("\n(")
    assert text.count(".") >= 3, "the part with the third may go on, with all that was ready"
    assert rest == f"{len(text)} characters)\n"


async def test_stream_leaves_at_the_third_sentence(package, fake):
    fake.parts = [*map(part, ("One.", " Two.", " Three.", " Four.")), last_part()]
    said = await asyncio.to_thread(output_of, "stream.mjs", "Tell me a story", fake.target)
    assert said == "One. Two. Three.\n(16 characters)\n"


def test_tools_prints_a_call_and_the_answer_after_it(package, running_stack):
    call, answer = output_of("tools.mjs", running_stack.service_address).split("\n", 1)
    assert call.startswith('weather({"city":')
    assert call.partition("): ")[2].startswith("It is sunny in ")
    assert answer.strip()


def test_structured_prints_fields_of_the_form(package, running_stack):
    said = output_of("structured.mjs", "Describe a city", running_stack.service_address)
    assert said.rstrip().endswith(("capital: true", "capital: false"))


def test_batch_prints_an_answer_for_each_city(package, running_stack):
    lines = output_of("batch.mjs", running_stack.service_address).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["Paris", "London", "Rome", "Madrid", "Berlin"]
    assert all(line.partition(": ")[2] for line in lines)


def test_errors_tells_two_apart(package, running_stack):
    unknown, invalid = output_of("errors.mjs", "@no/such-model", running_stack.service_address).splitlines()
    assert unknown.startswith("there is no @no/such-model, but @runstream/demo, ")
    assert invalid.startswith("change sampling_params.temperature: ")


def test_rest_prints_an_answer_and_the_beginning_of_another(package, running_stack):
    whole, beginning = output_of("rest.mjs", running_stack.url).splitlines()
    assert "United States" in whole
    assert beginning


def test_tls_asks_with_a_token_and_tells_if_it_is_wrong(package, secure_stack):
    address = secure_stack.service_address
    assert "New York" in output_of("tls.mjs", address, secure_stack.ca, RUNSTREAM_TOKEN=secure_stack.token)
    refused = run("tls.mjs", address, secure_stack.ca, RUNSTREAM_TOKEN="wrong")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "set RUNSTREAM_TOKEN: " in refused.stderr
