"""`GET /playground/models`: what the service says of its models now, beyond what Cloudflare's routes have room for."""

from typing import Any, Final

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from runstream.v1 import models_pb2

from bridge.auth.account import identify
from bridge.auth.tokens import GUARD
from bridge.config import CONFIG
from bridge.http.access_log import ACCESS
from bridge.http.json_text import json_response
from bridge.upstream.client import SERVICE

STATE_PREFIX: Final = "MODEL_STATE_"
SHAPE_PREFIX: Final = "ANSWER_SHAPE_"
OUTCOME_PREFIX: Final = "TRIAL_OUTCOME_"
METHOD_PREFIX: Final = "SPECULATIVE_METHOD_"


async def tell_models(http_request: web.Request) -> web.Response:
    """Tells all models of the catalog, with the account that the token acts for and where gRPC answers.

    Raises:
        GatewayError: The request may not act for an account.
        AiError: The service can't say.
    """
    identify(http_request)
    models = await http_request.app[SERVICE].list_models()
    config = http_request.app[CONFIG]
    return json_response(
        {
            "account": http_request[ACCESS].account,
            "needs_token": http_request.app[GUARD].needs_token,
            "grpc": {
                "address": config.service.partition(",")[0],
                "is_tls": config.service_ca is not None,
                "needs_token": bool(config.service_token),
            },
            "models": [to_entry(model) for model in models],
        }
    )


def to_entry(model: models_pb2.Model) -> dict[str, Any]:
    """The fields of the contract; values of enums as words in lower case, such as "weights_missing"."""
    fields: dict[str, Any] = MessageToDict(
        model, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    state = fields["state"].removeprefix(STATE_PREFIX).lower()
    shape = fields["answer_shape"].removeprefix(SHAPE_PREFIX).lower()
    trials = [{**it, "outcome": it["outcome"].removeprefix(OUTCOME_PREFIX).lower()} for it in fields["trials"]]
    method = fields["speculative_method"].removeprefix(METHOD_PREFIX).lower()
    told = {"state": state, "answer_shape": shape, "trials": trials, "speculative_method": method}
    return {**fields, **told}
