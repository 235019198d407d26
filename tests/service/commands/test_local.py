"""`python -m service` with a command behind it: what it shows, fetches, checks and refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_service import MODEL

ROOT = Path(__file__).parents[3]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def last_line(*arguments: object) -> str:
    """The line with which a command that fails ends."""
    ended = run(*arguments)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip().splitlines()[-1]


def test_models_tells_what_is_here_and_the_command_for_what_is_not(catalog_file):
    lines = {line.split()[0]: line for line in run("models", "--catalog", catalog_file).stdout.splitlines()}
    assert "here" in lines[MODEL]
    assert str(catalog_file.parent / "tiny") in lines[MODEL]
    assert "missing" in lines["@test/absent"]
    assert lines["@test/absent"].endswith(f"python -m service pull @test/absent --catalog {catalog_file}")
    assert "13.48 GB" in lines["@cf/meta/llama-2-7b-chat-fp16"]
    assert "its attention with sinks is none" in lines["@cf/openai/gpt-oss-20b"]


def test_verify_reads_a_folder_and_lets_the_model_answer(catalog_file):
    lines = run("verify", MODEL, "--catalog", catalog_file).stdout.splitlines()
    assert lines[1].startswith("no hash was recorded")
    assert "config.json: llama; weights: 21 tensors" in lines
    assert "(16 tokens)" in lines[-2]
    assert lines[-1] == f"{MODEL} can be served"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("pull", "@test/unknown"),
            "error: @test/unknown is neither a folder, a GGUF file nor a model of the catalog, which has",
        ),
        (("pull", "@runstream/demo"), "there is nothing to fetch"),
        (("pull", "@cf/openai/gpt-oss-20b"), "can't be served here: its attention with sinks"),
        (("pull", "service/demo/checkpoint"), "there is nothing to fetch"),
        (("verify", "service/demo"), "demo has no config.json"),
        (("verify", "@cf/meta/llama-3.1-8b-instruct"), "python -m service pull @cf/meta/llama-3.1-8b-instruct"),
        (("--device", "cuda", "verify", "@runstream/demo"), "--device before verify does nothing"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert message in last_line(*arguments)


@pytest.mark.parametrize("command", ["models", "pull", "verify"])
def test_each_command_explains_itself(command):
    shown = run(command, "--help").stdout
    assert "RUNSTREAM_SERVICE_CATALOG" in shown
    assert len(shown) > 500
