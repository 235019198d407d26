"""The choices of an answer: one call of the service for each, all or none."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.request import OpenAiInput
from bridge.upstream.generation import generate, generate_stream
from bridge.workers_ai import envelope


class ChoicePart(NamedTuple):
    """A part of the stream of one choice.

    Attributes:
        choice: Which one, counted from 0.
        part: The part.
    """

    choice: int
    part: pb.RunStreamResponse


async def generate_choices(http_request: web.Request, openai_input: OpenAiInput) -> list[pb.RunResponse]:
    """Has all choices generated whole, in their order.

    Raises:
        AiError: One of them failed; the others are cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(generate(http_request, one)) for one in openai_input.requests]
    except* Exception as failures:
        failure = failures.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise failure


async def generate_choices_stream(
    http_request: web.Request, openai_input: OpenAiInput
) -> AsyncGenerator[ChoicePart, None]:
    """Has all choices generated in parts, which come as they are there, but begin in their order.

    Raises:
        AiError: One of them failed; closing the iterator cancels the others.
    """
    if openai_input.num_choices == 1:
        async with aclosing(generate_stream(http_request, *openai_input.requests)) as only:
            async for part in only:
                yield ChoicePart(0, part)
        return
    # With room for one part of each, a client that reads slowly holds the service back as it does with one choice.
    parts: asyncio.Queue[ChoicePart | Exception | None] = asyncio.Queue(maxsize=openai_input.num_choices)
    streams = [generate_stream(http_request, request) for request in openai_input.requests]
    # OpenAI's own helper for streams fails if a choice begins before those with lower numbers.
    have_begun = [asyncio.Event() for _ in (None, *streams)]
    have_begun[0].set()
    tasks = [
        asyncio.create_task(_forward(index, stream, parts, *have_begun[index : index + 2]))
        for index, stream in enumerate(streams)
    ]
    num_running = len(tasks)
    try:
        while num_running:
            news = await parts.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                num_running -= 1
            else:
                yield news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(
    index: int,
    stream: AsyncGenerator[pb.RunStreamResponse, None],
    parts: asyncio.Queue[ChoicePart | Exception | None],
    others_have_begun: asyncio.Event,
    has_begun: asyncio.Event,
) -> None:
    """Hands the parts of one choice on once those before it have begun, and at its end None or what it failed with."""
    try:
        async with aclosing(stream):
            async for part in stream:
                await others_have_begun.wait()
                await parts.put(ChoicePart(index, part))
                has_begun.set()
    except Exception as failure:
        await parts.put(failure)
    else:
        await parts.put(None)


def usage(counted: Iterable[pb.Usage]) -> dict[str, Any]:
    """The token counts of all choices together; their prompt is one, and counted once."""
    first, *others = counted
    total = pb.Usage()
    total.CopyFrom(first)
    for other in others:
        total.completion_tokens += other.completion_tokens
        total.reasoning_tokens += other.reasoning_tokens
    return envelope.usage(total)
