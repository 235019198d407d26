"""The errors that the bridge answers with, and the one table that says how.

An error of the AI layer has a reason: the service's, from google.rpc.ErrorInfo, or one of the bridge's own. The status,
code and words that follow from it are Cloudflare's (platform/errors in its docs, captures for what is missing there).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.spelling import Spelling, respelled, respelled_in


@dataclass(frozen=True)
class Rule:
    """The answer to errors of one reason.

    Attributes:
        status: The HTTP status.
        code: Cloudflare's code.
        title: What Cloudflare's messages of this code begin with.
        description: The message's text where it is Cloudflare's; None where it is that of whoever raised the error.
        default_retry_after_s: How long to wait before asking again if the error does not say; None if that is no help.
        is_retryable: False tells the official SDKs, which ask again after 408, 409, 429 and 5xx, that they must not.
        headers: Headers that the status calls for.
    """

    status: int
    code: int
    title: str = "AiError"
    description: str | None = None
    default_retry_after_s: int | None = None
    is_retryable: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


RULES: Final[Mapping[str, Rule]] = {
    "INVALID_REQUEST": Rule(400, 5006, "Bad input: Error"),
    "LORA_UNSUPPORTED": Rule(405, 5005, "LoRa unsupported"),
    "MODEL_NOT_FOUND": Rule(400, 5007, "No such model"),
    "WEIGHTS_MISSING": Rule(400, 5007, "No such model"),
    "BATCH_NOT_FOUND": Rule(400, 5006, "Bad input: Error"),
    "BATCHES_DISABLED": Rule(400, 5006, "Bad input: Error"),
    "CONTEXT_WINDOW_EXCEEDED": Rule(413, 5021),
    "FORMAT_UNSATISFIABLE": Rule(400, 5024, "JSON Mode couldn't be met"),
    "FORMAT_STREAMED": Rule(400, 5023, description="JSON Schema mode is not supported with stream mode"),
    "TOOL_CALL_CUT": Rule(400, 8006, "Tool call incomplete"),
    "QUEUE_FULL": Rule(
        429, 3040, description="Capacity temporarily exceeded, please try again.", default_retry_after_s=1
    ),
    "RATE_LIMITED": Rule(429, 3040, default_retry_after_s=1),
    "MODEL_NOT_READY": Rule(503, 3040, default_retry_after_s=2),
    "DEADLINE_EXCEEDED": Rule(408, 3046, description="Request timeout", is_retryable=False),
    "ENGINE_FAILED": Rule(500, 5000, is_retryable=False),
    # Only of an item of a batch, which has no status of its own.
    "CANCELLED": Rule(500, 5000, is_retryable=False),
    "INTERNAL": Rule(500, 5000, description="internal error"),
    "BODY_EMPTY": Rule(400, 3003, "Incomplete request", "Request is missing headers or body: body"),
    "HEADER_MISSING": Rule(400, 3003, "Incomplete request"),
    "SDK_DEPRECATED": Rule(405, 5019, "Deprecated SDK version"),
    # RFC 9110 has the answer tell what could be sent instead.
    "ENCODING_UNSUPPORTED": Rule(415, 5006, "Bad input: Error", headers={"Accept-Encoding": "gzip, deflate, br, zstd"}),
    "BODY_TOO_SLOW": Rule(408, 3046, "Request timeout"),
    "BODY_TOO_LARGE": Rule(413, 3006, "Request too large", "Request is too large"),
}

# Statuses of what a client has to change.
CLIENTS_MISTAKES: Final = (400, 405, 413)

# The first field that a description of a mistake names. A prompt that looks like one is a word without spaces.
PATH: Final = re.compile(r"'(/\w[\w/]*)'")


class AiError(Exception):
    """An error of the AI layer.

    Args:
        reason: A key of `RULES`.
        description: What is wrong, for the caller to read. Left out where the rule has Cloudflare's own text.
        retry_after_s: In how many seconds a new attempt may succeed, if that is known.
        pointer: The place of the field at fault in the body, such as "/stop/1"; empty if no single one is.
    """

    def __init__(
        self, reason: str, description: str = "", retry_after_s: float | None = None, pointer: str = ""
    ) -> None:
        self.reason = reason
        self.rule = RULES[reason]
        self.description = self.rule.description or description
        self.retry_after_s = retry_after_s
        self.pointer = pointer
        super().__init__(f"{reason}: {description or self.description}")

    def message(self, request_id: str) -> str:
        """The message in Cloudflare's grammar."""
        return f"AiError: {self.rule.title}: {self.description} ({request_id})"

    def respelled(self, spelling: Spelling) -> "AiError":
        """The same error with its places as the body spells them."""
        description = respelled_in(self.description, spelling)
        return AiError(self.reason, description, self.retry_after_s, respelled(self.pointer, spelling))

    @property
    def for_log(self) -> str:
        """The error without the texts of a client's: the description of a mistake in a request may quote its prompt."""
        if self.rule.status not in CLIENTS_MISTAKES:
            return f"{self.reason}: {self.description}"
        named = PATH.search(self.description)
        pointer = self.pointer or (named[1] if named else "")
        return f"{self.reason} at {pointer}" if pointer else self.reason

    @property
    def flat_description(self) -> str:
        """The description of a flat error, as in "Error: oneOf at '/' not met": the title's end belongs to it."""
        beginning = self.rule.title.partition(": ")[2]
        return f"{beginning}: {self.description}" if beginning else self.description

    def headers(self) -> dict[str, str]:
        """The headers that tell a client whether and when to ask again."""
        if not self.rule.is_retryable:
            return {"x-should-retry": "false"}
        if self.rule.default_retry_after_s is None:
            return dict(self.rule.headers)
        wait_s = self.retry_after_s or self.rule.default_retry_after_s
        return {"Retry-After": str(min(60, max(1, math.ceil(wait_s))))}


@dataclass(eq=False)
class GatewayError(Exception):
    """An error of the layer before any model: routing, credentials, where a request comes from.

    Attributes:
        status: The HTTP status.
        code: Cloudflare's code.
        message: What is wrong, for the caller to read.
        headers: Headers that the status calls for.
    """

    status: int
    code: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
