"""The routes of this surface: below an account as at Cloudflare, and at `/v1` as at OpenAI."""

from typing import Final

from aiohttp import web

from bridge.openai.chat import chat_completions
from bridge.openai.completions import completions
from bridge.openai.models import list_models, retrieve_model
from bridge.openai.responses.create import create_response

# Without one of its own, account_id would not match braces.
BASES: Final = ("/client/v4/accounts/{account_id:[^/]+}/ai/v1", "/v1")


def add_routes(router: web.UrlDispatcher) -> None:
    """Adds all routes of this surface."""
    for base in BASES:
        router.add_post(f"{base}/chat/completions", chat_completions)
        router.add_post(f"{base}/completions", completions)
        router.add_post(f"{base}/responses", create_response)
        router.add_get(f"{base}/models", list_models)
        router.add_get(f"{base}/models/{{model:.+}}", retrieve_model)
