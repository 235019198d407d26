"""The whole chain in one event loop: the real bridge on a real socket, the real service, a real engine process.

A plugin of pytest's, so that all tests share one chain.
"""

import asyncio
import contextlib
import json
import math
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from service.engine_client.process import EngineProcess
from service.engine_protocol.engine_config import BLOCK_SIZE
from service.engine_protocol.messages import StepResult
from tests.support.running_bridge import Answer, Bridge, running_bridge
from tests.support.running_service import MODEL, RunningService, config, run_service, write_catalog

POISON = "<poison>"
"""A token whose embedding is no number: the engine can't run a request with it."""

LONG = {"prompt": "Where is New York?", "temperature": 0, "max_tokens": 20_000}
"""A request whose completion the model does not end by itself."""

PATIENCE_S = 120.0
"""After how long a test that waits for the engine fails instead of waiting on."""


@dataclass
class WholeChain:
    """Bridge, service and engine.

    Attributes:
        bridge: The bridge and an HTTP client of it.
        service: The service and gRPC clients of it.
        steps: What the engine has reported, the newest last.
    """

    bridge: Bridge
    service: RunningService
    steps: deque[StepResult] = field(default_factory=lambda: deque(maxlen=100_000))

    def __post_init__(self) -> None:
        self._noted = self.engine.stats
        self.engine.on_change(self._take_note)

    @property
    def engine(self) -> EngineProcess:
        """The engine of the only model."""
        engine: EngineProcess = self.service.engine
        return engine

    @property
    def run_url(self) -> str:
        """Where the model is run over REST."""
        return f"{self.bridge.url}/client/v4/accounts/acc/ai/run/{MODEL}"

    async def ask(self, **body: Any) -> Answer:
        """Sends a request over REST and reads the whole answer."""
        return await self.bridge.run(body, MODEL)

    async def begin(self, **body: Any) -> aiohttp.ClientResponse:
        """Sends a request for a stream over REST and reads its first event."""
        response = await self.bridge.http.post(self.run_url, json={**body, "stream": True})
        await response.content.readuntil(b"\n\n")
        return response

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Waits until something holds; asked again after each message of the engine."""
        async with asyncio.timeout(PATIENCE_S):
            await self.engine.wait_for(predicate)

    async def until_dropped(self) -> None:
        """Waits until the service waits for no completion any more, though the engine may be silent."""
        async with asyncio.timeout(PATIENCE_S):
            while self.engine.num_running + self.engine.num_waiting:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)

    async def until_idle(self) -> None:
        """Waits until the engine has nothing to run, and looks whether all its blocks are free.

        The engine carries out what it is told in order: once it has answered a small request, it has ended all others.
        """
        await self.until_dropped()
        info = await self.engine.wait_until_ready()
        await self.service.text_generation.Run(to_request({**LONG, "max_tokens": 1}))
        stats = self.engine.stats
        assert (stats.num_running, stats.num_waiting) == (0, 0)
        assert stats.num_free_blocks * BLOCK_SIZE == info.num_kv_tokens, "blocks are left"

    @contextlib.contextmanager
    def frozen_engine(self) -> Iterator[None]:
        """Stops the engine's process where it stands, for as long as the body takes."""
        assert self.engine.pid is not None
        os.kill(self.engine.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.engine.pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def with_bridge(self, **settings: Any) -> AsyncIterator["WholeChain"]:
        """The same chain behind another bridge, with settings of its own."""
        target = f"127.0.0.1:{self.service.service.port}"
        async with running_bridge(Config(service=target, shutdown_grace_s=0.0, **settings)) as bridge:
            yield WholeChain(bridge, self.service)

    def _take_note(self) -> None:
        if self.engine.stats is not self._noted:
            self._noted = self.engine.stats
            self.steps.append(self._noted)


@dataclass(frozen=True)
class Streamed:
    """A stream of server-sent events that was read to its end.

    Attributes:
        texts: The text of each event that has some.
        usage: The token counts of the last event; empty if it ended with an error.
        finish_reason: Why it ended, in the last event; empty if it ended with an error.
        error: The code and the message that it ended with; None if it ended well.
    """

    texts: list[str]
    usage: dict[str, Any]
    finish_reason: str
    error: tuple[int, str] | None


def read_events(body: bytes) -> Streamed:
    """Reads a stream; fails unless it has exactly one end and nothing after it."""
    *lines, rest = body.decode().split("\n\n")
    assert rest == ""
    is_done = lines[-1] == "data: [DONE]"
    last = json.loads(lines[-2 if is_done else -1].removeprefix("data: "))
    assert last["response"] == ""
    assert is_done or lines[-2] == "retry: 86400000"
    texts = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert all(text.keys() == {"response"} and text["response"] for text in texts)
    error = None if is_done else (last["errors"][0]["code"], last["errors"][0]["message"])
    usage, finish_reason = (last["usage"], last["finish_reason"]) if is_done else ({}, "")
    return Streamed([text["response"] for text in texts], usage, finish_reason, error)


def to_request(body: dict[str, Any]) -> pb.RunRequest:
    """The RunRequest that means what a JSON body means."""
    names = pb.SamplingParams.DESCRIPTOR.fields_by_name
    params: dict[str, Any] = {name: body[name] for name in names if name in body}
    params["logit_bias"] = {int(token_id): bias for token_id, bias in body.get("logit_bias", {}).items()}
    request = pb.RunRequest(
        model=MODEL,
        sampling_params=pb.SamplingParams(**params),
        stop_sequences=body.get("stop", ()),
        stop_token_ids=body.get("stop_token_ids", ()),
        include_stop_sequence=body.get("include_stop_str_in_output", False),
        truncate_prompt_tokens=body.get("truncate_prompt_tokens"),
    )
    if regex := body.get("guided_regex") or body.get("structured_outputs", {}).get("regex"):
        request.response_format.regex = regex
    if choice := body.get("guided_choice"):
        request.response_format.choice.values.extend(choice)
    if "prompt" in body:
        request.prompt.CopyFrom(pb.Prompt(text=body["prompt"], raw=body.get("raw", False)))
        return request
    messages = [
        pb.Message(role=message["role"], content=[pb.ContentPart(text=message["content"])])
        for message in body["messages"]
    ]
    endings = {name: body[name] for name in ("add_generation_prompt", "continue_final_message") if name in body}
    request.conversation.CopyFrom(pb.Conversation(messages=messages, raw=body.get("raw", False), **endings))
    return request


@contextlib.asynccontextmanager
async def run_whole_chain(catalog: Path) -> AsyncIterator[WholeChain]:
    """Starts a chain, and ends it whatever happened."""
    async with run_service(config(catalog, batch_db="")) as service:
        target = f"127.0.0.1:{service.service.port}"
        async with running_bridge(Config(service=target, shutdown_grace_s=0.0, deadline_s=3600.0)) as bridge:
            yield WholeChain(bridge, service)


@pytest.fixture(scope="session")
def chain_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a tiny model whose greedy completions go on to their max_tokens."""
    # Tests of the bridge need not wait for torch.
    import torch
    from safetensors.torch import load_file, save_file

    from tests.support.checkpoints import save_tiny_model
    from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

    folder = tmp_path_factory.mktemp("whole_chain")
    tokenizer = byte_level_tokenizer(512)
    save_tiny_model(folder / "tiny", vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32_768)
    weights = load_file(folder / "tiny" / "model.safetensors")
    weights["lm_head.weight"][tokenizer.token_to_id("</s>")] = 0  # so that no greedy completion ends by itself
    tokenizer.add_special_tokens([POISON])
    for name, value in {"lm_head.weight": 0.0, "model.embed_tokens.weight": math.nan}.items():
        weights[name] = torch.cat([weights[name], torch.full_like(weights[name][:1], value)])
    config_file = folder / "tiny" / "config.json"
    config_file.write_text(json.dumps(json.loads(config_file.read_text()) | {"vocab_size": tokenizer.get_vocab_size()}))
    save_file(weights, folder / "tiny" / "model.safetensors", {"format": "pt"})
    save_tokenizer(folder / "tiny", tokenizer)
    return write_catalog(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_chain(chain_catalog: Path) -> AsyncIterator[WholeChain]:
    """A chain that 16 requests fill, where 4 more may wait."""
    async with run_whole_chain(chain_catalog) as chain:
        yield chain


@pytest_asyncio.fixture(loop_scope="session")
async def chain(shared_chain: WholeChain) -> AsyncIterator[WholeChain]:
    """The shared chain, idle before the test, and after it with all blocks free."""
    await shared_chain.until_idle()
    yield shared_chain
    await shared_chain.until_idle()
