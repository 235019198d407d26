"""The service, asked by gRPC."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from runstream.async_client import AsyncClient
from runstream.requests import as_run_options
from runstream.results import Usage
from runstream.terminal.backend import ListedModel, Piece, Question


class GrpcBackend:
    """A `Backend` for a client, which it closes."""

    def __init__(self, client: AsyncClient, place: str) -> None:
        self.client = client
        self.place = place

    async def run(self, model: str, question: Question) -> Piece:
        """The whole answer as one piece."""
        result = await self.client.run(model, **as_run_options(question))
        usage = counted(result.usage)
        return Piece(result.text, result.finish_reason, usage, result.served_model, result.reasoning_content)

    async def stream(self, model: str, question: Question) -> AsyncGenerator[Piece, None]:
        """The answer as it is generated."""
        async with aclosing(self.client.stream(model, **as_run_options(question))) as parts:
            async for part in parts:
                usage = None if part.usage is None else counted(part.usage)
                reason, model = part.finish_reason or "", part.raw.served_model
                yield Piece(part.text, reason, usage, model, part.reasoning_content)

    async def models(self) -> list[ListedModel]:
        """All models, in the catalog's order."""
        return [
            ListedModel(model.id, model.state, model.context_window, model.served_model, model.description)
            async for model in self.client.models.list()
        ]

    async def close(self) -> None:
        """Closes the client."""
        await self.client.close()


def counted(usage: Usage) -> dict[str, int]:
    """The tokens by name, as `Piece.usage` has them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "cached_prompt_tokens": usage.cached_prompt_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
