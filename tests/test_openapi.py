"""The OpenAPI document is true: its routes are the application's, its schemas hold for what the real stack answers."""

import asyncio
import re
import sys
from pathlib import Path

import aiohttp
import pytest
import requests
from jsonschema import Draft202012Validator
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from bridge.app import build_app
from bridge.auth import Token, hash_token
from bridge.config import Config
from bridge.openapi.document import document
from tests.bridge.running_bridge import running_bridge

SETTINGS = Path(__file__).with_name("schemathesis.toml")
UNDOCUMENTED = {("get", "/docs/{asset}")}
"""What the page is made of."""


async def schemathesis(url, *options, cwd):
    """Tests what answers at `url` against its own document; returns the exit status and what was printed."""
    command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", f"{url}/openapi.json")
    more = ("--checks", "all", "--seed", "1", "--generation-database", "none", "--no-color", *options)
    process = await asyncio.create_subprocess_exec(
        *command, *more, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def test_the_document_has_exactly_the_routes_of_the_application():
    paths = document([], needs_token=False)["paths"]
    documented = {(method, path) for path, methods in paths.items() for method in methods}
    routes = build_app(Config(), ()).router.routes()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in routes
        if route.resource and route.method != "HEAD"
    }
    assert served - UNDOCUMENTED == documented


def test_each_schema_of_the_document_is_one():
    def check(value):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "schema":
                Draft202012Validator.check_schema(child)
            elif isinstance(child, dict | list):
                check(child)

    check(document(["@runstream/demo"], needs_token=True))


def test_the_document_names_the_models_of_the_service(running_stack):
    described = requests.get(f"{running_stack.url}/openapi.json", timeout=10).json()
    assert "@cf/meta/llama-3.1-8b-instruct" in described["components"]["schemas"]["ModelName"]["enum"]


async def check_with_schemathesis(url, *options, cwd):
    """Fails unless at least 2,000 requests are answered as documented, and the stack is well after them."""
    status, output = await schemathesis(url, *options, cwd=cwd)
    assert status == 0, output
    (num_cases,) = re.findall(r"(\d[\d,]*) generated", output)
    assert int(num_cases.replace(",", "")) >= 2_000
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as ready:
        assert ready.status == 200


async def test_what_schemathesis_makes_up_is_answered_as_documented(running_stack, tmp_path):
    options = ("--phases", "fuzzing,stateful", "--max-examples", "60")
    await check_with_schemathesis(running_stack.url, *options, cwd=tmp_path)


@pytest.mark.stress
async def test_all_that_schemathesis_has_is_answered_as_documented(running_stack, tmp_path):
    await check_with_schemathesis(running_stack.url, "--max-examples", "300", cwd=tmp_path)


async def test_what_the_document_says_needs_a_token_is_refused_without_one(running_stack, tmp_path):
    tokens = (Token("acc", hash_token("secret"), "test"),)
    async with running_bridge(Config(service=running_stack.service_address), tokens) as bridge:
        # Cloudflare answers a request without credentials with 400; that check knows nothing but 401.
        options = ("--exclude-checks", "missing_required_header", "--header", "Authorization: Bearer secret")
        status, output = await schemathesis(bridge.url, *options, "--max-examples", "5", cwd=tmp_path)
    assert status == 0, output


def test_the_page_shows_the_operations_in_a_browser(running_stack, browser):
    browser.get(f"{running_stack.url}/docs")
    shown = WebDriverWait(browser, 60).until(lambda page: page.find_elements(By.CLASS_NAME, "opblock-summary-path"))
    assert any("/ai/run/" in path.text.replace("\u200b", "") for path in shown)
