"""The id of a request: its caller's, or a fresh one."""

import re
import uuid

from service.rpc.calls import ServicerContext

REQUEST_ID_HEADER = "x-runstream-request-id"

_VALID = re.compile(r"[!-~]{1,128}")


def request_id_of(context: ServicerContext) -> str:
    """The id that the caller has given the request, so that its log and this one tell of the same; or a fresh one.

    An id is 1 to 128 characters of ASCII that can be seen, no blanks. Of several the first that is one counts.
    """
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _VALID.fullmatch(value):
            return value
    return str(uuid.uuid4())


async def tell_request_id(context: ServicerContext, request_id: str, *more: tuple[str, str]) -> None:
    """Sends the initial metadata of an answer: the request's id and what else there is to tell.

    Not before it is certain that there is one: a client asks again by itself only after a failure without any.
    """
    await context.send_initial_metadata(((REQUEST_ID_HEADER, request_id), *more))
