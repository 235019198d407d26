"""What a replica gives Ray for its proxy: it asks each for bytes with `SerializeToString`, as it would a message."""

from dataclasses import dataclass

import grpc
from ray.serve._private.proxy_request_response import ResponseStatus


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is bytes already."""

    serialized: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802
        """The bytes."""
        return self.serialized


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a call with an error, and with no further message.

    Ray would send neither details nor trailing metadata of an exception, only its text with a traceback. The proxy
    takes a status in a message's place, and the metadata of the context that comes with it.
    """

    code: grpc.StatusCode
    details: str

    def SerializeToString(self) -> ResponseStatus:  # noqa: N802
        """The status."""
        return ResponseStatus(code=self.code, is_error=True, message=self.details)
