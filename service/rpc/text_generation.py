"""The handlers. Each has four beats: check, call, map the error, fill."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc as pb_grpc

from service.generation import TextGenerator
from service.metrics import Metrics
from service.output.completion import join
from service.request_log import RequestRecord
from service.requests.checks import check_request
from service.rpc.auth import Callers
from service.rpc.calls import Calls, ServicerContext
from service.rpc.rate_limits import Use
from service.rpc.request_id import request_id_of, tell_request_id
from service.rpc.slow_readers import SlowReaders
from service.rpc.status import error_status
from tracing.spans import current_span

MODEL_HEADER = "x-runstream-model"


class TextGenerationServicer(pb_grpc.TextGenerationServiceServicer):
    """Generates text. `Run` joins what `RunStream` would send, so that the two can't differ."""

    def __init__(
        self, generator: TextGenerator, calls: Calls, callers: Callers, metrics: Metrics, slow_readers: SlowReaders
    ) -> None:
        self._generator = generator
        self._calls = calls
        self._callers = callers
        self._metrics = metrics
        self._slow_readers = slow_readers

    async def Run(self, request: pb.RunRequest, context: ServicerContext) -> pb.RunResponse:  # noqa: N802
        """Answers with the whole completion."""
        response = pb.RunResponse()
        async with self._parts(request, context) as (record, stream, use):
            response = join([record.note(part) async for part in stream])
            await tell_request_id(context, record.id, (MODEL_HEADER, response.served_model), *use.told())
        return response

    # A coroutine that writes is cancelled where it stands; a generator that yields would only be finalized some time.
    async def RunStream(self, request: pb.RunRequest, context: ServicerContext) -> None:  # type: ignore[override]  # noqa: N802
        """Answers with parts of the completion as they are generated."""
        async with (
            self._parts(request, context) as (record, stream, use),
            self._slow_readers.writer_of(context) as writer,
        ):
            is_first = True
            async for part in stream:
                if is_first:
                    await tell_request_id(context, record.id, (MODEL_HEADER, part.served_model), *use.told())
                    is_first = False
                await writer.write(record.note(part))

    async def CountTokens(  # noqa: N802
        self, request: pb.CountTokensRequest, context: ServicerContext
    ) -> pb.CountTokensResponse:
        """Counts the tokens of a prompt."""
        response = pb.CountTokensResponse()
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            self._callers.identify(context)
            async with self._calls.admit(context):
                response = await self._generator.count_tokens(request.request)
                await tell_request_id(context, request_id)
        return response

    @contextlib.asynccontextmanager
    async def _parts(
        self, request: pb.RunRequest, context: ServicerContext
    ) -> AsyncIterator[tuple[RequestRecord, AsyncGenerator[pb.RunStreamResponse, None], Use]]:
        """Holds a call while it is answered; gives what is to be logged of it, the completion, and its token's use."""
        record = RequestRecord(request_id_of(context), model=request.model)
        async with error_status(context, record.id, self._metrics.count_failure, record), AsyncExitStack() as ends:
            caller = self._callers.identify(context)
            record.account, record.token = caller.account, caller.token
            use = ends.enter_context(self._callers.limits.running(caller.key, caller.limits))
            deadline_s = self._calls.deadline_s(context)
            self._generator.check_room(request, caller.account, deadline_s)
            check_request(request)
            generating = self._generator.generate(
                request, record.id, caller.account, current_span(), deadline_s, use.charge
            )
            async with self._calls.admit(context), aclosing(generating) as stream:
                yield record, stream, use
