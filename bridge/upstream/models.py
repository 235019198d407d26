"""What the service's catalog says about a model, remembered for a while."""

import asyncio
from typing import Final

from aiohttp import web
from runstream.v1 import models_pb2

from bridge.errors import AiError
from bridge.upstream.client import ServiceClient

FRESH_S: Final = 60.0

_FAULTS_OF_INPUT: Final = frozenset({"INVALID_REQUEST", "FORMAT_STREAMED", "LORA_UNSUPPORTED"})


class Models:
    """Asks the service about models, and not again for a minute.

    Only models that the service knows are kept, so there are never more than its catalog has.
    """

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._known: dict[str, tuple[float, models_pb2.Model]] = {}

    async def check_before(self, fault: AiError, model_id: str) -> None:
        """Looks a model up before a fault of its input is told: the input may be right for another task's model.

        A right input needs no look-up, the service then says the same.

        Args:
            fault: What is wrong with the input.
            model_id: The model that it is for.

        Raises:
            AiError: There is no such model.
        """
        if fault.reason not in _FAULTS_OF_INPUT:
            return
        try:
            await self.get(model_id)
        except AiError as error:
            if error.reason == "MODEL_NOT_FOUND":
                raise error from fault

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


MODELS = web.AppKey("models", Models)
