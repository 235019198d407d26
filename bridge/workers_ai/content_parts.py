"""Contents of messages before the schema sees them: a part that stands alone, and parts that are no text."""

from typing import Any, Final

from bridge.errors import AiError
from bridge.validation import refused_fields

MAX_PARTS: Final = 1024


def with_parts(messages: list[Any]) -> list[Any]:
    """Messages with a part that stands alone, as models with vision take it, in a list.

    Raises:
        AiError: There is a picture, a sound or a file: the schema would only miss its text.
    """
    read = []
    for index, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        is_alone = isinstance(content, dict) and "type" in content
        parts = [content] if is_alone else content
        for number, part in enumerate(parts[:MAX_PARTS] if isinstance(parts, list) else ()):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in refused_fields.MEDIA:
                place = f"/messages/{index}/content" + ("" if is_alone else f"/{number}")
                raise AiError("INVALID_REQUEST", f"'{place}/type' is '{kind}', but the models here read only text")
        read.append({**message, "content": parts} if is_alone else message)
    return read
