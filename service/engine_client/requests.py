"""The requests of one engine."""

import time

from service.engine_client.moments import Moments
from service.engine_client.request import Request, to_error
from service.engine_protocol.messages import StepResult, Submit
from service.errors import RunstreamError


class Requests(dict[str, Request]):
    """The requests of one engine that have not ended, by id.

    Args:
        stream_interval: See `Request`.
    """

    def __init__(self, stream_interval: int = 1) -> None:
        super().__init__()
        self._stream_interval = stream_interval

    @property
    def num_running(self) -> int:
        """How many the engine has begun."""
        return sum(request.has_started for request in self.values())

    def add(self, submit: Submit, moments: Moments) -> Request:
        """Begins to follow a request, which was sent to the engine."""
        if moments.submitted_at is None:
            moments.submitted_at = time.perf_counter()
        request = self[submit.id] = Request(submit, moments=moments, stream_interval=self._stream_interval)
        return request

    def start(self, ids: list[str], *, is_compiling: bool) -> None:
        """Takes note that the engine begins some, or their grammars."""
        for request_id in ids:
            if started := self.get(request_id):
                started.start(is_compiling=is_compiling)

    def take(self, result: StepResult) -> None:
        """Gives each what a step has brought it."""
        for output in result.outputs:
            if request := self.get(output.id):
                request.grow(output)
        for failure in result.failed:
            if failed := self.get(failure.id):
                failed.fail(to_error(failure, failed.submit))

    def fail_all(self, error: RunstreamError) -> None:
        """Ends all with an error."""
        for request in self.values():
            request.fail(error)

    def fail_started(self, error: RunstreamError) -> None:
        """Ends those that the engine has begun with an error."""
        for request in self.values():
            if request.has_started:
                request.fail(error)

    def fail_waiting(self, error: RunstreamError) -> None:
        """Ends those that the engine has not begun with an error."""
        for request in self.values():
            if not request.has_started:
                request.fail(error)
