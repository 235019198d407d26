"""Asks several questions at once, and one more part by part: `python several.py [HOST:PORT]`."""

import asyncio
import sys

from runstream import AsyncClient

QUESTIONS = ["where is new york?", "Tell me a story", "What is the capital of France?"]


async def main(target: str) -> None:
    """Prints each answer once it is whole, whichever comes first. Cancelling a task ends its generation."""
    async with AsyncClient(target) as client:
        asked = [client.run("@runstream/demo", prompt=question, max_tokens=60) for question in QUESTIONS]
        for answer in asyncio.as_completed(asked):
            print("-", (await answer).text)
        async for part in client.stream("@runstream/demo", prompt="Tell me a story", max_tokens=60):
            print(part.text, end="", flush=True)
        print()


if __name__ == "__main__":
    asyncio.run(main([*sys.argv[1:], "127.0.0.1:50051"][0]))
