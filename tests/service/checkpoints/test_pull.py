"""`pull` against a server that speaks the hub's HTTP API: whole, cut, refused, wrong and without room."""

import asyncio
import dataclasses
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from huggingface_hub import constants

from service.catalog import CatalogModel, load_catalog
from service.checkpoints.errors import PullError
from service.checkpoints.locate import locate
from service.checkpoints.pull import Puller
from tests.support.checkpoints import save_tiny_model
from tests.support.fake_hub import COMMIT, FakeHub
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

ROOT = Path(__file__).parents[3]
MODEL = dataclasses.replace(
    load_catalog()["@cf/meta/llama-3.1-8b-instruct"], id="@test/model", checkpoint="someone/model", revision="main"
)
CATALOG = """
[models."@test/model"]
description = "A model on a hub."
checkpoint = "someone/model"
max_prompt_tokens = 64
max_completion_tokens = 64
context_window = 64
default_max_tokens = 8
default_max_tokens_streamed = 8
"""
LARGE = os.urandom(24 << 20)
CHUNK = 10 << 20  # what the hub's library writes at once
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{ }",
    "model.safetensors": LARGE,
    "consolidated.safetensors": LARGE,
    "pytorch_model.bin": b"a pickle",
    "original/params.json": b"{}",
    "README.md": b"# A model",
}
NEEDED = {"config.json", "tokenizer.json", "model.safetensors"}


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub = FakeHub(dict(FILES))
    async with TestServer(hub.app()) as server:
        hub.address = str(server.make_url("")).rstrip("/")
        yield hub


async def pull(hub: FakeHub, cache: Path, model: CatalogModel = MODEL) -> tuple[Path, list[str]]:
    """Pulls in a thread; the snapshot, and the lines that a person sees."""
    lines: list[str] = []
    snapshot = await asyncio.to_thread(Puller(lines.append, hub.address, str(cache)).pull, model)
    return snapshot, lines


async def refusal(hub: FakeHub, cache: Path, **changes: Any) -> str:
    """Why a model can't be pulled."""
    with pytest.raises(PullError) as caught:
        await pull(hub, cache, dataclasses.replace(MODEL, **changes))
    return str(caught.value)


async def start(hub: FakeHub, folder: Path, *arguments: str, shell: str = "") -> asyncio.subprocess.Process:
    """Starts `python -m service` with a folder's catalog and cache, and the hub."""
    (folder / "catalog.toml").write_text(CATALOG)
    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(folder), "HF_HUB_CACHE": str(folder / "cache")}
    return await asyncio.create_subprocess_exec(
        *(("bash", "-c", shell) if shell else (sys.executable, "-m", "service", *arguments)),
        cwd=ROOT,
        env={**os.environ, **settings, "RUNSTREAM_SERVICE_CATALOG": str(folder / "catalog.toml")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_all_that_is_needed_comes_and_nothing_else(hub, tmp_path):
    snapshot, lines = await pull(hub, tmp_path)
    assert {path.name for path in snapshot.iterdir()} == NEEDED
    assert (snapshot / "model.safetensors").read_bytes() == LARGE
    assert lines == [f"someone/model at commit {COMMIT}: 3 files, 25.17 MB"]


async def test_of_a_repository_of_gguf_files_the_named_one_comes_alone(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    hub.files = {"README.md": b"", "a-q4_0.gguf": b"GGUF of 4 bits", "a-q8_0.gguf": b"GGUF of 8 bits"}
    model = dataclasses.replace(MODEL, gguf_file="a-q8_0.gguf")
    snapshot, _ = await pull(hub, tmp_path, model)
    assert list(snapshot.iterdir()) == [locate(model)] == [snapshot / "a-q8_0.gguf"]
    assert locate(model).read_bytes() == b"GGUF of 8 bits"
    assert "set gguf_file in the catalog to one of a-q4_0.gguf, a-q8_0.gguf" in await refusal(hub, tmp_path)


async def test_the_hubs_own_cache_has_it_under_its_commit(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot, _ = await pull(hub, tmp_path)
    assert snapshot == locate(MODEL) == locate(dataclasses.replace(MODEL, revision=COMMIT))
    assert snapshot.name == COMMIT


async def test_the_command_tells_where_the_weights_are(hub, tmp_path):
    process = await start(hub, tmp_path, "pull", MODEL.id)
    output, _ = await process.communicate()
    snapshot = tmp_path / "cache" / "models--someone--model" / "snapshots" / COMMIT
    assert output.decode() == f"@test/model is here: {snapshot}\n"


async def test_what_was_pulled_can_be_verified_and_answers(hub, tmp_path):
    save_tokenizer(save_tiny_model(tmp_path / "tiny"), byte_level_tokenizer())
    hub.files = {path.name: path.read_bytes() for path in (tmp_path / "tiny").iterdir()}
    await (await start(hub, tmp_path, "pull", MODEL.id)).communicate()
    output, _ = await (await start(hub, tmp_path, "verify", MODEL.id)).communicate()
    assert b"model.safetensors: as the hub has it, sha256 " in output
    assert output.splitlines()[-1] == b"@test/model can be served"


async def test_a_second_pull_fetches_nothing(hub, tmp_path):
    await pull(hub, tmp_path)
    hub.ranges.clear()
    await pull(hub, tmp_path)
    assert not hub.ranges


async def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, tmp_path):
    hub.cut_after = CHUNK + 1000
    snapshot, _ = await pull(hub, tmp_path)
    assert (snapshot / "model.safetensors").read_bytes() == LARGE
    assert hub.ranges == [None, f"bytes={CHUNK}-"]


async def test_what_a_killed_pull_has_left_is_continued(hub, tmp_path):
    hub.cut_after, hub.holds_rest = CHUNK + 1000, True
    process = await start(hub, tmp_path, "pull", MODEL.id)
    await hub.has_asked_for_rest.wait()
    process.kill()
    await process.wait()
    hub.holds_rest = False
    snapshot, _ = await pull(hub, tmp_path / "cache")
    assert (snapshot / "model.safetensors").read_bytes() == LARGE
    assert hub.ranges == [None, *[f"bytes={CHUNK}-"] * 2]


async def test_two_pulls_of_one_repository_do_not_meet(hub, tmp_path):
    hub.cut_after, hub.is_held = 1000, True
    first = await start(hub, tmp_path, "pull", MODEL.id)
    await hub.has_cut.wait()
    assert "is being pulled by another process" in await refusal(hub, tmp_path / "cache")
    first.kill()
    await first.wait()


async def test_a_gated_repository_says_what_to_do(hub, tmp_path):
    hub.gated = True
    assert f"gated: accept its licence at {hub.address}/someone/model, then set HF_TOKEN" in await refusal(
        hub, tmp_path
    )


async def test_the_token_is_the_environments(hub, tmp_path, monkeypatch):
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", "accepted")
    snapshot, _ = await pull(hub, tmp_path)
    assert (snapshot / "config.json").read_bytes() == b"{}"


async def test_the_token_stays_with_the_hub_when_files_come_from_elsewhere(hub, tmp_path, monkeypatch):
    hub.gated, hub.storage = True, hub.address.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("HF_TOKEN", "accepted")
    snapshot, _ = await pull(hub, tmp_path)
    assert (snapshot / "model.safetensors").read_bytes() == LARGE
    assert hub.storage_tokens == [None]


async def test_a_repository_that_is_not_there_is_told_by_its_address(hub, tmp_path):
    assert f"there is no {hub.address}/nobody/model" in await refusal(hub, tmp_path, checkpoint="nobody/model")


async def test_a_revision_that_is_not_there_is_told(hub, tmp_path):
    assert "has no revision 'v9': look at the catalog's revision" in await refusal(hub, tmp_path, revision="v9")


async def test_a_hub_that_is_not_there_is_told(hub, tmp_path):
    hub.address = "http://127.0.0.1:9"
    assert "http://127.0.0.1:9 can't be reached" in await refusal(hub, tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
async def test_a_file_with_another_hash_is_thrown_away(hub, tmp_path, name):
    hub.changed[name] = bytes(len(FILES[name]))
    assert f"{name} of someone/model came with another hash" in await refusal(hub, tmp_path)
    assert not list(tmp_path.rglob("*.incomplete"))
    hub.changed.clear()
    assert (await pull(hub, tmp_path))[0].is_dir()


async def test_a_branch_that_moves_meanwhile_is_to_be_pulled_again(hub, tmp_path):
    hub.later_commit = "beef" + "0" * 36
    assert "someone/model has another commit as main since then: pull again" in await refusal(hub, tmp_path)
    snapshot, _ = await pull(hub, tmp_path)
    assert snapshot.name == hub.later_commit


async def test_room_is_looked_for_before_anything_is_fetched(hub, tmp_path):
    hub.claimed["model.safetensors"] = 10**18
    assert "1000000000.00 GB are to be fetched, but" in await refusal(hub, tmp_path)
    assert not hub.ranges


async def test_a_disk_that_is_full_on_the_way_is_told_and_what_came_is_kept(hub, tmp_path):
    limited = f"ulimit -f {CHUNK // 1024 + 1}; exec {sys.executable} -m service pull {MODEL.id}"
    process = await start(hub, tmp_path, shell=limited)
    _, error = await process.communicate()
    assert process.returncode == 1
    assert b"free some room, or set HF_HUB_CACHE" in error.splitlines()[-1]
    await pull(hub, tmp_path / "cache")
    assert hub.ranges[1] is not None


async def test_weights_that_are_only_pickles_are_refused(hub, tmp_path):
    del hub.files["model.safetensors"], hub.files["consolidated.safetensors"]
    assert "only there as pickles (pytorch_model.bin), which can run code" in await refusal(hub, tmp_path)


async def test_a_folder_has_nothing_to_fetch(hub, tmp_path):
    assert "there is nothing to fetch" in await refusal(hub, tmp_path, checkpoint=str(tmp_path))
