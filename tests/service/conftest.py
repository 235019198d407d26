"""Checkpoints and services that the service's tests share."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.checkpoints import save_tiny_model
from tests.support.running_service import RunningService, config, run_service, write_catalog
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer


@pytest.fixture(scope="session")
def catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a model whose greedy completions go on for long, and one without weights."""
    folder = tmp_path_factory.mktemp("catalog")
    save_tiny_model(folder / "tiny", vocab_size=512, max_position_embeddings=32_768)
    save_tokenizer(folder / "tiny", byte_level_tokenizer(512))
    return write_catalog(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(catalog_file: Path, unused_tcp_port_factory: Callable[[], int]) -> AsyncIterator[RunningService]:
    """A service that all tests share which leave it as it was."""
    async with run_service(config(catalog_file, metrics_port=unused_tcp_port_factory())) as service:
        yield service
