"""What the service's catalog says about a model, remembered for a while."""

import asyncio
from typing import Final

from runstream.v1 import models_pb2

from bridge.service_client import ServiceClient

FRESH_S: Final = 60.0


class Models:
    """Asks the service about models, and not again for a minute.

    Only models that the service knows are kept, so there are never more than its catalog has.
    """

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._known: dict[str, tuple[float, models_pb2.Model]] = {}

    async def get(self, model: str) -> models_pb2.Model:
        """Tells about one model.

        Raises:
            AiError: There is no such model, or the service can't say.
        """
        now = asyncio.get_running_loop().time()
        asked_at, known = self._known.get(model, (-FRESH_S, None))
        if known is None or now - asked_at >= FRESH_S:
            known = await self._service.get_model(model)
            self._known[model] = (now, known)
        return known
