"""The TypeScript client as the tests use it: compiled, and asked by scripts that import it by its name."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.real_clients import NODE
from tests.support.client_builds import CLIENTS, build_typescript
from tests.support.fake_service import FakeService, running

BUILD = CLIENTS / "typescript/build"
Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def package() -> Path:
    """The package, compiled."""
    build_typescript()
    return CLIENTS / "typescript"


@pytest.fixture
def run_script(package: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs JavaScript with the package within reach."""

    def run(script: str, cwd: Path = BUILD, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(NODE), "--input-type=module", "--eval", script]
        environment = {**os.environ, **environment}
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)

    return run


@pytest.fixture
def ask(run_script: Callable[..., subprocess.CompletedProcess[str]]) -> Ask:
    """Runs the body of an async function that returns what JSON can say."""

    def asked(body: str) -> Any:
        done = run_script(
            'import * as rs from "runstream"; import * as v1 from "runstream/v1";'
            "const name = async (doing) => { try { return [await doing()]; } catch (e) { return e; } };"
            f"console.log(JSON.stringify(await (async () => {{ {body} }})()) ?? null);"
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return asked


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service that answers what the test tells it to."""
    fake = FakeService()
    async with running(fake):
        yield fake


@pytest.fixture
def ask_fake(ask: Ask, fake: FakeService) -> Callable[..., Awaitable[Any]]:
    """Asks the fake service, in a thread, by a client named `client`."""

    async def asked(body: str, options: str = "") -> Any:
        client = f'const client = new rs.Client({{ target: "{fake.target}", {options} }}); '
        return await asyncio.to_thread(ask, client + body)

    return asked
