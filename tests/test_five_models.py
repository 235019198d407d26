"""Each of the five models, shrunken but in the format of its real checkpoint, under its real id over gRPC and REST.

In float32, so that the text must be that of transformers' own forward on the dequantised weights.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import torch
from optimum.quanto import freeze, qint8, quantize
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from bridge.config import Config
from service.catalog import CatalogModel, load_catalog
from tests.support.checkpoints import LLAMA_3_ROPE, tiny_model
from tests.support.quantized_checkpoints import save_awq
from tests.support.running_bridge import running_bridge
from tests.support.running_service import RunningService, config, run_service
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer, save_tokenizer
from tests.support.whole_chain import read_events

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPT = "Where is New York?"
MAX_TOKENS = 24


def save_plain(folder: Path, dtype: torch.dtype, family: str = "llama", **changes: Any) -> PreTrainedModel:
    """Saves a plain checkpoint in a dtype, in shards, and returns it in float32."""
    model: Any = tiny_model(family, **changes)
    model.to(dtype).save_pretrained(folder, max_shard_size="100KB")
    return model.float().train(mode=False)


def save_to_quantize(folder: Path) -> PreTrainedModel:
    """Saves a plain checkpoint and returns what optimum-quanto makes of it."""
    model = save_plain(folder, torch.float16, num_key_value_heads=4)
    quantize(model, weights=qint8, exclude="lm_head")
    freeze(model)
    return model


LLAMA_31: dict[str, Any] = {"rope_parameters": LLAMA_3_ROPE, "eos_token_id": [2, 7, 9], "vocab_size": 512}
CODE_LLAMA: dict[str, Any] = {
    "num_key_value_heads": 4,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}
MODELS: dict[str, tuple[Callable[[Path], PreTrainedModel], Tokenizer]] = {
    "@cf/meta/llama-2-7b-chat-fp16": (
        lambda folder: save_plain(folder, torch.float16, num_key_value_heads=4),
        byte_fallback_tokenizer(),
    ),
    "@cf/meta/llama-2-7b-chat-int8": (save_to_quantize, byte_fallback_tokenizer()),
    "@cf/mistral/mistral-7b-instruct-v0.1": (
        lambda folder: save_plain(folder, torch.bfloat16, "mistral", sliding_window=20),
        byte_fallback_tokenizer(),
    ),
    "@hf/thebloke/codellama-7b-instruct-awq": (
        lambda folder: save_awq(folder, 128, **CODE_LLAMA),
        byte_fallback_tokenizer(),
    ),
    "@cf/meta/llama-3.1-8b-instruct": (
        lambda folder: save_plain(folder, torch.bfloat16, **LLAMA_31),
        byte_level_tokenizer(512),
    ),
}


@dataclass
class Five:
    """A service with the five models, a bridge before it, and what each model should say."""

    service: Any
    bridge: Any
    expected: dict[str, str]


def entry_in_toml(entry: CatalogModel, folder: Path) -> str:
    """What a catalog's entry says of limits, weights and chats, for a checkpoint in a folder."""
    limits = {name: value for name, value in dataclasses.asdict(entry).items() if "tokens" in name or "window" in name}
    keys = {"description": entry.description, "checkpoint": str(folder), "quantization": entry.quantization}
    keys |= {"chat_template": entry.chat_template, "tool_call_format": entry.tool_call_format}
    lines = [f"{name} = {json.dumps(value)}" for name, value in (keys | limits).items()]
    return "\n".join([f'[models."{entry.id}"]', *lines, ""])


def completion(model: Any, tokenizer: Tokenizer) -> str:
    """What transformers answers to the raw prompt, greedily."""
    prompt = torch.tensor([tokenizer.encode(PROMPT).ids])
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": model.config.eos_token_id, "pad_token_id": 0}
    output = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=MAX_TOKENS, **settings)
    text: str = tokenizer.decode(output[0].tolist()).removeprefix(tokenizer.decode(prompt[0].tolist()))
    return text


def to(service: RunningService) -> Config:
    """A bridge's config for a service."""
    return Config(service=f"127.0.0.1:{service.service.port}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def five(tmp_path_factory):
    folder, catalog = tmp_path_factory.mktemp("five"), load_catalog()
    expected, entries = {}, []
    for name, (save, tokenizer) in MODELS.items():
        checkpoint = folder / name.rpartition("/")[2]
        expected[name] = completion(save(checkpoint), tokenizer)
        save_tokenizer(checkpoint, tokenizer, chat_template=None)
        entries.append(entry_in_toml(catalog[name], checkpoint))
    path = folder / "catalog.toml"
    path.write_text("\n".join(entries))
    settings = config(path, models=tuple(MODELS), dtype="float32", kv_cache_memory_mib=8)
    async with run_service(settings) as service, running_bridge(to(service)) as bridge:
        yield Five(service, bridge, expected)


@pytest.mark.parametrize("name", MODELS)
async def test_grpc_streams_what_the_dequantised_weights_say(five, name):
    request = pb.RunRequest(
        model=name,
        prompt=pb.Prompt(text=PROMPT, raw=True),
        sampling_params=pb.SamplingParams(temperature=0.0, max_tokens=MAX_TOKENS),
    )
    parts = [part async for part in five.service.text_generation.RunStream(request)]
    assert len(five.expected[name]) > 10
    assert "".join(part.text for part in parts) == five.expected[name]
    assert parts[-1].served_model == name


@pytest.mark.parametrize("name", MODELS)
async def test_rest_streams_the_same(five, name):
    body = {"prompt": PROMPT, "raw": True, "temperature": 0, "max_tokens": MAX_TOKENS, "stream": True}
    answer = await five.bridge.run(body, name)
    assert "".join(read_events(answer.body).texts) == five.expected[name]


SYSTEM, ASKED, TOLD = (
    {"role": role, "content": text}
    for role, text in (("system", "Be brief."), ("user", PROMPT), ("assistant", "In the north."))
)
CALL = {"role": "assistant", "content": "", "tool_calls": [{"name": "look_up", "arguments": {"place": "New York"}}]}
RESULT = {"role": "tool", "name": "look_up", "content": "north-east"}
CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "two users": [ASKED, ASKED],
    "two assistants": [ASKED, TOLD, TOLD, ASKED],
    "two systems": [SYSTEM, SYSTEM, ASKED],
    "a late system": [ASKED, TOLD, SYSTEM, ASKED],
    "nobody but a system": [SYSTEM],
    "an assistant first": [TOLD, ASKED],
    "an assistant last": [ASKED, TOLD],
    "parts of text": [
        {"role": "user", "content": [{"type": "text", "text": "Where is"}, {"type": "text", "text": "?"}]}
    ],
    "no parts": [{"role": "user", "content": []}],
    "an empty text": [{"role": "user", "content": ""}],
    "a call and its result": [ASKED, CALL, RESULT],
    "a result of nothing": [RESULT],
}


def as_messages(conversation: list[dict[str, Any]]) -> list[pb.Message]:
    """The same over gRPC."""
    messages = []
    for said in conversation:
        content, calls = said["content"], said.get("tool_calls", [])
        parts = [{"text": content}] if isinstance(content, str) else content
        messages.append(
            pb.Message(
                role=said["role"],
                name=said.get("name", ""),
                content=[pb.ContentPart(text=part["text"]) for part in parts],
                tool_calls=[pb.ToolCall(name=it["name"], arguments_json=json.dumps(it["arguments"])) for it in calls],
            )
        )
    return messages


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("name", MODELS)
async def test_odd_conversations_are_answered_alike_over_both(five, name, conversation):
    answer = await five.bridge.run({"messages": conversation, "temperature": 0, "max_tokens": 4}, name)
    assert answer.status == 200
    request = pb.RunRequest(
        model=name,
        conversation=pb.Conversation(messages=as_messages(conversation)),
        sampling_params=pb.SamplingParams(temperature=0.0, max_tokens=4),
    )
    assert json.loads(answer.body)["result"]["response"] == (await five.service.text_generation.Run(request)).text


@pytest.mark.parametrize("name", [name for name in MODELS if "llama-3.1" not in name])
async def test_a_role_that_a_template_does_not_know_is_refused_in_its_words(five, name):
    words = "the model's chat template refuses the messages: Conversation roles must alternate"
    conversation = [ASKED, {"role": "wizard", "content": "hi"}]
    answer = await five.bridge.run({"messages": conversation}, name)
    assert (answer.status, answer.error[1]) == (400, 5006)
    assert words in answer.error[2]
    with pytest.raises(grpc.aio.AioRpcError, match=words) as caught:
        await five.service.text_generation.Run(
            pb.RunRequest(model=name, conversation=pb.Conversation(messages=as_messages(conversation)))
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
