"""`GET …/models` and `GET …/models/{model}`: the models that can be asked. Workers AI answers 405 here."""

from typing import Any

from aiohttp import web
from runstream.v1 import models_pb2

from bridge.auth.account import identify
from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.http.json_text import json_response
from bridge.upstream.client import SERVICE
from bridge.upstream.models import MODELS


async def list_models(http_request: web.Request) -> web.Response:
    """Lists the models of the catalog but those whose weights are missing and for which none stands in.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The service can't say.
    """
    identify(http_request)
    models = await http_request.app[SERVICE].list_models()
    here = [model for model in models if model.state != models_pb2.MODEL_STATE_WEIGHTS_MISSING]
    return json_response({"object": "list", "data": [_entry(model) for model in here]})


async def retrieve_model(http_request: web.Request) -> web.Response:
    """Tells about one model.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: There is no such model, its weights are missing, or the service can't say.
    """
    model_id = http_request[ACCESS].model_id = http_request.match_info["model"]
    identify(http_request)
    model = await http_request.app[MODELS].get(model_id)
    if model.state == models_pb2.MODEL_STATE_WEIGHTS_MISSING:
        raise AiError("WEIGHTS_MISSING", model.state_detail)
    return json_response(_entry(model))


def _entry(model: models_pb2.Model) -> dict[str, Any]:
    """OpenAI's fields, and vLLM's for the context window and of which model an adapter is.

    `created` must be there, but no catalog tells it.
    """
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": (model.parent or model.id).removeprefix("@").partition("/")[0],
        "max_model_len": model.context_window,
        "parent": model.parent or None,
    }
