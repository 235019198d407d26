"""A response: the object that a whole answer is, and that the first and last events of a stream tell."""

import time
from collections.abc import Mapping
from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

Json = dict[str, Any]

# What OpenAI's clients must find, or may, of what is nowhere here.
_NEITHER: Final[Mapping[str, Any]] = {
    "background": False,
    "previous_response_id": None,
    "service_tier": "default",
    "store": False,
}


class Response:
    """One response, of which only its status, its output and what ended it change.

    Args:
        request_id: The request's id; the response's own and those of its items are made of it.
        echoed: What of the request stands in it.
    """

    def __init__(self, request_id: str, echoed: Mapping[str, Any]) -> None:
        self._suffix = request_id.replace("-", "")
        self._created_at = int(time.time())
        self._echoed = echoed

    def item_id(self, kind: str, index: int) -> str:
        """The id of an item of its output, such as "msg_…"."""
        return f"{kind}_{self._suffix}{index:04x}"

    def value(self, status: str, model: str, output: list[Json], **changed: Any) -> Json:
        """The response as it is now.

        Args:
            status: "in_progress", "completed", "incomplete" or "failed".
            model: The model that answers.
            output: The items.
            changed: What is said of its end: `usage`, `incomplete_details`, `error`.
        """
        return {
            "id": f"resp_{self._suffix}",
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": output,
            "usage": None,
            **_NEITHER,
            **self._echoed,
            **changed,
        }


def usage(counted: pb.Usage) -> Json:
    """The token counts in the words of this API. Nothing is billed for what caches are written."""
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counted.cached_prompt_tokens, "cache_write_tokens": 0},
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
    }
