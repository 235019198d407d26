"""What the real stack answers is what its OpenAPI document says."""

import asyncio
import re
import sys
from pathlib import Path

import aiohttp
import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

SETTINGS = Path(__file__).with_name("schemathesis.toml")


async def schemathesis(url, *options, cwd):
    """Tests what answers at `url` against its own document; returns the exit status and what was printed."""
    command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", f"{url}/openapi.json")
    more = (
        "--checks",
        "all",
        "--seed",
        "1",
        "--generation-database",
        "none",
        # Both for answers that never come; how long others take is the machine's affair.
        "--request-timeout",
        "60",
        "--max-response-time",
        "60",
        "--no-color",
        *options,
    )
    process = await asyncio.create_subprocess_exec(
        *command, *more, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def test_the_document_names_the_models_of_the_service(running_stack):
    described = requests.get(f"{running_stack.url}/openapi.json", timeout=120).json()
    assert "@cf/meta/llama-3.1-8b-instruct" in described["components"]["schemas"]["ModelName"]["enum"]


async def check_with_schemathesis(url, *options, cwd, at_least):
    """Fails unless at least so many requests are answered as documented, and the stack is well after them."""
    status, output = await schemathesis(url, *options, cwd=cwd)
    assert status == 0, output
    (num_cases,) = re.findall(r"(\d[\d,]*) generated", output)
    assert int(num_cases.replace(",", "")) >= at_least
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as ready:
        assert ready.status == 200


# What is in none of these are others on another path, or have nearly the body of one; `make stress` has them too.
OPENAI = ("--include-path-regex", "^/v1/(chat|models)")
RESPONSES = ("--include-path", "/v1/responses")
WORKERS_AI = ("--exclude-path-regex", "^/(v1|run$|client.*/ai/v1|client.*/proxy|ai-gateway)")


@pytest.mark.parametrize(
    ("paths", "num_examples"),
    [(OPENAI, "3"), (RESPONSES, "3"), (WORKERS_AI, "10")],
    ids=["OpenAI's", "responses", "Workers AI's"],
)
async def test_what_schemathesis_makes_up_is_answered_as_documented(running_stack, tmp_path, paths, num_examples):
    examples = ("--max-examples", num_examples)
    await check_with_schemathesis(running_stack.url, *paths, *examples, cwd=tmp_path, at_least=500)


@pytest.mark.stress
async def test_all_that_schemathesis_has_is_answered_as_documented(running_stack, tmp_path):
    await check_with_schemathesis(running_stack.url, "--max-examples", "300", cwd=tmp_path, at_least=10_000)


def test_the_page_shows_the_operations_in_a_browser(running_stack, browser):
    browser.get(f"{running_stack.url}/docs")
    shown = WebDriverWait(browser, 60).until(lambda page: page.find_elements(By.CLASS_NAME, "opblock-summary-path"))
    assert any("/ai/run/" in path.text.replace("\u200b", "") for path in shown)
