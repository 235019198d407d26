"""The client for asyncio."""

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

import grpc

from runstream.batches import AsyncBatches
from runstream.calls import AsyncResponses, CallSettings, call_async
from runstream.client import DEFAULT_ATTEMPTS, DEFAULT_TARGET, DEFAULT_TIMEOUT_S
from runstream.connection import ChannelOptions, PemFile, Tls, acting_for, connection
from runstream.lifetime import LoopLifetime
from runstream.models import AsyncModels
from runstream.requests import CompletionOptions, PromptOptions, make_prompt_request, make_request
from runstream.response_formats import ResponseFormatLike, parser
from runstream.results import RunResult, TokenCount, to_result, to_token_count
from runstream.streams import AsyncStream
from runstream.tools import JsonModel
from runstream.v1 import batches_pb2_grpc, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

ModelT = TypeVar("ModelT", bound=JsonModel)


class AsyncClient:
    """A client of the service for asyncio, with the arguments of `Client`.

    It belongs to the event loop of its first call; `async with` closes it.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The target can't be read, the token would be sent in clear text, or a number is out of its range.
        OSError: A file of certificates or a key can't be read.
    """

    def __init__(
        self,
        target: str | Sequence[str] = DEFAULT_TARGET,
        *,
        token: str | None = None,
        tls: Tls = None,
        cert: PemFile | None = None,
        key: PemFile | None = None,
        timeout_s: float | None = DEFAULT_TIMEOUT_S,
        wait_for_ready: bool = False,
        max_attempts: int = DEFAULT_ATTEMPTS,
        account: str | None = None,
        allow_plaintext_token: bool = False,
        channel_options: ChannelOptions = (),
    ) -> None:
        self._connection = connection(
            target,
            token=token,
            tls=tls,
            cert=cert,
            key=key,
            max_attempts=max_attempts,
            allow_plaintext_token=allow_plaintext_token,
            channel_options=channel_options,
        )
        self._lifetime = LoopLifetime()
        metadata = self._connection.metadata + acting_for(account)
        self._settings = CallSettings(metadata, timeout_s, wait_for_ready, self._lifetime)

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel, for stubs of one's own, such as those of grpc.health.v1. Made in the loop that first asks."""
        self._lifetime.check()
        return self._channel

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        made = self._connection
        if made.credentials:
            return grpc.aio.secure_channel(made.target, made.credentials, made.options)
        return grpc.aio.insecure_channel(made.target, made.options)

    @cached_property
    def models(self) -> AsyncModels:
        """The service's models."""
        return AsyncModels(models_pb2_grpc.ModelServiceStub(self.channel), self._settings)

    @cached_property
    def batches(self) -> AsyncBatches:
        """The account's batches."""
        return AsyncBatches(batches_pb2_grpc.BatchServiceStub(self.channel), self._settings)

    @cached_property
    def _stub(self) -> "text_generation_pb2_grpc.TextGenerationServiceAsyncStub":
        return text_generation_pb2_grpc.TextGenerationServiceStub(self.channel)

    @overload
    async def run(
        self,
        model: str,
        *,
        response_format: type[ModelT],
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> RunResult[ModelT]: ...

    @overload
    async def run(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> RunResult[Any]: ...

    async def run(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> RunResult[Any]:
        """Answers a request with the whole completion: see `Client.run`. Cancelling the task ends the generation."""
        request = make_request(model, response_format=response_format, **options)
        settings = self._settings.changed(timeout_s, wait_for_ready, request_id)
        return to_result(
            await call_async(self._stub.Run, request, settings), parser(response_format, request.response_format)
        )

    @overload
    def stream(
        self,
        model: str,
        *,
        response_format: type[ModelT],
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[ModelT]: ...

    @overload
    def stream(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[Any]: ...

    def stream(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[Any]:
        """Answers a request with parts of the completion as they are generated: see `Client.stream`."""
        request = make_request(model, response_format=response_format, **options)
        settings = self._settings.changed(timeout_s, wait_for_ready, request_id)
        return AsyncStream(
            AsyncResponses(self._stub.RunStream, request, settings), parser(response_format, request.response_format)
        )

    async def count_tokens(
        self, model: str, *, timeout_s: float | None = None, **options: Unpack[PromptOptions]
    ) -> TokenCount:
        """Counts the tokens of a prompt without generating anything; takes what makes a prompt of `run`'s keywords."""
        request = pb.CountTokensRequest(request=make_prompt_request(model, **options))
        return to_token_count(await call_async(self._stub.CountTokens, request, self._settings.changed(timeout_s)))

    async def close(self) -> None:
        """Ends what is running and closes the connection."""
        self._lifetime.close()
        if "_channel" in vars(self):
            await self._channel.close()

    async def __aenter__(self) -> Self:
        self._lifetime.check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
