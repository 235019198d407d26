"""What the greeting asks to paste works when it is pasted."""

import json
import re
import subprocess

import pytest

from scripts.greeting import greeting


def commands(text):
    """The curl commands of a greeting, as one would select them."""
    return re.findall(r"^  (curl .*?')$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("index", [0, 1])
def test_the_first_two_commands_get_a_whole_answer(running_stack, index):
    command = commands(greeting(running_stack.url, running_stack.service_address))[index]
    answer = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout)
    assert answer["success"] is True
    assert answer["result"]["response"]


def test_the_third_command_gets_a_stream(running_stack):
    *_, command = commands(greeting(running_stack.url, running_stack.service_address))
    stream = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert stream.startswith(b"data: {")
    assert stream.endswith(b"data: [DONE]\n\n")


def test_the_demos_greeting_tells_how_to_get_a_real_model_which_greets_in_its_own_name():
    demo, real = (greeting("http://a", "b:1", model=model) for model in ("", "smollm2"))
    assert "make run MODEL=smollm2" in demo
    assert "make run" not in real
    assert all("/ai/run/smollm2 -d" in command for command in commands(real))
