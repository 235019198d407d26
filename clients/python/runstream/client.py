"""The client."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, overload

import grpc

from runstream.batches import Batches
from runstream.calls import CallSettings, Responses, call
from runstream.connection import ChannelOptions, PemFile, Tls, acting_for, connection
from runstream.lifetime import Lifetime
from runstream.models import Models
from runstream.requests import CompletionOptions, PromptOptions, make_prompt_request, make_request
from runstream.response_formats import ResponseFormatLike, parser
from runstream.results import RunResult, TokenCount, to_result, to_token_count
from runstream.streams import Stream
from runstream.tools import JsonModel
from runstream.v1 import batches_pb2_grpc, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

DEFAULT_TARGET: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S: Final = 120.0  # the service's own limit for calls that set none
DEFAULT_ATTEMPTS: Final = 4

ModelT = TypeVar("ModelT", bound=JsonModel)


class Client:
    """A client of the service. Many threads may use one; it connects with the first call, and again when it must.

    Args:
        target: host:port, dns:///name:port, unix:/path, or several IP addresses with ports, which take turns.
        token: The service's token. Refused without TLS beyond this machine.
        tls: None for plain text, True for TLS with the well-known authorities, the path or the bytes of the PEM
            certificates to trust, or credentials of gRPC's own.
        cert: For a service that asks for certificates, the path or the bytes of the client's own, in PEM.
        key: Its private key, likewise, without a password.
        timeout_s: The most seconds of a call; None for the service's own limit, 120 unless it was told another.
        wait_for_ready: Whether calls wait for the service to be reachable, instead of failing at once.
        max_attempts: How often a call is made that ends with UNAVAILABLE before anything came back: 1 to 5.
        account: Whom calls act for, if the token is for several; None for the token's own, or without one "local".
        allow_plaintext_token: Whether the token may be sent in clear text to other machines.
        channel_options: Options of gRPC's own, after those that the client sets.

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
        made = connection(
            target,
            token=token,
            tls=tls,
            cert=cert,
            key=key,
            max_attempts=max_attempts,
            allow_plaintext_token=allow_plaintext_token,
            channel_options=channel_options,
        )
        self._lifetime = Lifetime()
        settings = CallSettings(made.metadata + acting_for(account), timeout_s, wait_for_ready, self._lifetime)
        self._channel = (
            grpc.secure_channel(made.target, made.credentials, made.options)
            if made.credentials
            else grpc.insecure_channel(made.target, made.options)
        )
        self._settings = settings
        # gRPC crashes where a stub is made on a channel that is closed, so that all are made here.
        self._stub = text_generation_pb2_grpc.TextGenerationServiceStub(self._channel)
        self.models = Models(models_pb2_grpc.ModelServiceStub(self._channel), settings)
        """The service's models."""
        self.batches = Batches(batches_pb2_grpc.BatchServiceStub(self._channel), settings)
        """The account's batches."""

    @property
    def channel(self) -> grpc.Channel:
        """The channel, for stubs of one's own, such as those of grpc.health.v1."""
        self._lifetime.check()
        return self._channel

    @overload
    def run(
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
    def run(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> RunResult[Any]: ...

    def run(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> RunResult[Any]:
        """Answers a request with the whole completion.

        Args:
            model: The model's id, such as "@cf/meta/llama-3.1-8b-instruct".
            response_format: The form of the answer: a pydantic model, a JSON Schema, "json_object", a `Regex` or a
                `Choice`. `result.parsed` then is the value.
            timeout_s: The most seconds of this call.
            request_id: The caller's own id of it: 1 to 128 visible ASCII characters. A UUID if None.
            options: `prompt`, `messages` or `prompt_token_ids`, and any of `RunOptions`.

        Raises:
            RunstreamError: It has failed; `runstream.errors` has the tree.
            TypeError: A keyword is unknown or a value of the wrong type.
        """
        request = make_request(model, response_format=response_format, **options)
        settings = self._settings.changed(timeout_s, wait_for_ready, request_id)
        return to_result(call(self._stub.Run, request, settings), parser(response_format, request.response_format))

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
    ) -> Stream[ModelT]: ...

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
    ) -> Stream[Any]: ...

    def stream(
        self,
        model: str,
        *,
        response_format: ResponseFormatLike | None = None,
        timeout_s: float | None = None,
        wait_for_ready: bool | None = None,
        request_id: str | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Stream[Any]:
        """Answers a request with parts of the completion as they are generated.

        Takes what `run` takes. Leaving the loop over the parts ends the generation.

        Raises:
            TypeError: A keyword is unknown or a value of the wrong type. What the service says is raised by the loop.
        """
        request = make_request(model, response_format=response_format, **options)
        settings = self._settings.changed(timeout_s, wait_for_ready, request_id)
        return Stream(
            Responses(self._stub.RunStream, request, settings), parser(response_format, request.response_format)
        )

    def count_tokens(
        self, model: str, *, timeout_s: float | None = None, **options: Unpack[PromptOptions]
    ) -> TokenCount:
        """Counts the tokens of a prompt without generating anything; takes what makes a prompt of `run`'s keywords."""
        request = pb.CountTokensRequest(request=make_prompt_request(model, **options))
        return to_token_count(call(self._stub.CountTokens, request, self._settings.changed(timeout_s)))

    def close(self) -> None:
        """Ends what is running and closes the connection."""
        self._lifetime.close()
        self._channel.close()

    def __enter__(self) -> Self:
        self._lifetime.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
