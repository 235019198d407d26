"""A model as the service's catalog describes it, remembered for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from aiohttp import web
from runstream.v1 import models_pb2

from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.upstream.client import ServiceClient

P = ParamSpec("P")
T = TypeVar("T")

FRESH_S: Final = 60.0

_FAULTS_OF_INPUT: Final = frozenset({"INVALID_REQUEST", "FORMAT_STREAMED"})


class Models:
    """Asks the service about models, and not again for a minute.

    Only models that the service knows are kept, so there are never more than its catalog has.
    """

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._known: dict[str, tuple[float, models_pb2.Model]] = {}

    async def get(self, model_id: str) -> models_pb2.Model:
        """Tells about one model.

        Raises:
            AiError: There is no such model, or the service can't say.
        """
        now = asyncio.get_running_loop().time()
        asked_at, known = self._known.get(model_id, (-FRESH_S, None))
        if known is None or now - asked_at >= FRESH_S:
            known = await self._service.get_model(model_id)
            self._known[model_id] = (now, known)
        return known


def unknown_model_first(
    read: Callable[Concatenate[web.Request, P], Awaitable[T]],
) -> Callable[Concatenate[web.Request, P], Awaitable[T]]:
    """Has the model looked up before a fault of its input is told: the input may be right for another task's model.

    A right input needs no look-up, the service then says the same. Neither does one that names no model.

    Args:
        read: Reads the input of a request. If there is no such model, that is raised instead of what it raises.
    """

    @wraps(read)
    async def read_or_look_up(http_request: web.Request, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await read(http_request, *args, **kwargs)
        except AiError as fault:
            model_id = http_request[ACCESS].model_id
            if model_id and fault.reason in _FAULTS_OF_INPUT:
                await _check_known(http_request.app[MODELS], model_id, fault)
            raise

    return read_or_look_up


async def _check_known(models: Models, model_id: str, fault: AiError) -> None:
    try:
        await models.get(model_id)
    except AiError as error:
        if error.reason == "MODEL_NOT_FOUND":
            raise error from fault


MODELS = web.AppKey("models", Models)
