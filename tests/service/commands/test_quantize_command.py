"""`python -m service quantize`, as a person runs it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.__main__ import main
from service.checkpoints.quantization import best_stored
from tests.support.checkpoints import save_tiny_model

CATALOG = """
[models."@test/tiny-int8"]
description = "A random model, to be quantized."
checkpoint = "./tiny"
quantization = "int8"
max_prompt_tokens = 100
max_completion_tokens = 100
context_window = 200
default_max_tokens = 10
default_max_tokens_streamed = 10
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "catalog.toml").write_text(CATALOG)
    return save_tiny_model(tmp_path / "tiny")


def quantize(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["quantize", *map(str, arguments)])


def test_a_model_of_the_catalog_is_quantized_and_loaded_from_there_from_then_on(source: Path) -> None:
    assert best_stored(source, "int8") == source
    result = quantize("@test/tiny-int8", "--to", "int8", "--catalog", source.parent / "catalog.toml")
    assert result.exit_code == 0
    assert result.stdout == f"{source}-int8\n"
    assert best_stored(source, "int8") == source.with_name("tiny-int8")
    assert best_stored(source, "") == source


def test_a_folder_can_be_named_too_and_progress_is_shown(source: Path) -> None:
    result = quantize(source, "--to", "int8")
    assert (result.exit_code, result.stdout) == (0, f"{source}-int8\n")
    assert f"Quantizing {source} to int8" in result.stderr


def complaint(*arguments: object) -> str:
    """What a run that failed ends with."""
    result = quantize(*arguments)
    assert result.exit_code != 0
    return result.stderr + str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["@test/unknown", "--to", "int8"],
            "error: @test/unknown is neither a folder, a GGUF file nor a model of the catalog",
        ),
        (["@cf/meta/llama-3.1-8b-instruct", "--to", "int8"], "error: The weights of @cf/meta/llama-3.1-8b-instruct"),
        (["@runstream/demo", "--to", "int3"], "'int3' is not 'int8'"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], reason: str) -> None:
    assert reason in complaint(*arguments)


def test_a_second_run_says_that_it_is_done_already(source: Path) -> None:
    quantize(source, "--to", "int8")
    assert f"error: {source}-int8 is there already: delete it" in complaint(source, "--to", "int8")
