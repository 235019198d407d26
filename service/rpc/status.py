"""The way of an error to the wire: a `google.rpc.Status` with its details, by the table in `errors`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from service.errors import InvalidRequestError, RunstreamError, shortened
from service.request_log import RequestRecord
from service.rpc.calls import ServicerContext
from service.rpc.request_id import REQUEST_ID_HEADER
from tracing.spans import current_span

DOMAIN = "runstream"
CANCELLED = "CANCELLED"
# RetryInfo for gRPC's own client libraries, which ask again by themselves if their service config says so (gRFC A6).
RETRY_PUSHBACK = "grpc-retry-pushback-ms"

# What a client sent may stand in each. Trailers over 8 KiB may be lost: with the message these make at most 6.
_MAX_VALUE_BYTES = 200

_log = logging.getLogger(__name__)


def to_status(error: RunstreamError, request_id: str) -> status_pb2.Status:
    """Writes an error as status: always with ErrorInfo, with BadRequest and RetryInfo where they apply."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.for_caller)
    metadata = {name: shortened(value, _MAX_VALUE_BYTES) for name, value in error.metadata.items()}
    metadata.setdefault("request_id", request_id)  # not in the error, which other calls may fail with too
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    status.details.add().Pack(info)
    if isinstance(error, InvalidRequestError) and error.field:
        field = shortened(error.field, _MAX_VALUE_BYTES)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=error.for_caller)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        delay = Duration(seconds=error.retry_after_s)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


@contextlib.asynccontextmanager
async def error_status(
    context: ServicerContext,
    request_id: str,
    count_failure: Callable[[str], None],
    record: RequestRecord | None = None,
) -> AsyncIterator[None]:
    """Ends the call with the status of what is raised inside. What is not a `RunstreamError` says nothing of itself.

    Args:
        request_id: Stands in the log beside the traceback and in the ErrorInfo.
        count_failure: Gets the `reason` of the failure, `CANCELLED` if the client left.
        record: What is logged at the end, whichever it is; without one only failures are.
    """
    try:
        yield
    except RunstreamError as error:
        failure = error
    except asyncio.CancelledError:
        if _is_cancelled_from_outside():
            count_failure(CANCELLED)
            _log_end(request_id, record, CANCELLED)
            raise
        # one that comes from within would leave the client waiting for ever
        failure = _unknown(request_id)
    except Exception:
        failure = _unknown(request_id)
    else:
        if record is not None:
            record.log()
        return
    count_failure(failure.reason)
    current_span().set({"error.type": failure.reason})
    _log_end(request_id, record, failure.for_log)
    status = rpc_status.to_status(to_status(failure, request_id))
    await context.abort(status.code, status.details, (*status.trailing_metadata, *_trailing(failure, request_id)))


def _log_end(request_id: str, record: RequestRecord | None, error: str) -> None:
    record = record or RequestRecord(request_id)
    record.error = error
    record.log()


def _trailing(failure: RunstreamError, request_id: str) -> Iterator[tuple[str, str]]:
    yield REQUEST_ID_HEADER, request_id
    yield from failure.trailing_metadata
    if failure.retry_after_s is not None:
        yield RETRY_PUSHBACK, str(1000 * failure.retry_after_s)


def _is_cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _unknown(request_id: str) -> RunstreamError:
    _log.exception("request %s failed", request_id)
    return RunstreamError("internal error")
