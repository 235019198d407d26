"""Requests for a form."""

import json
from typing import Any

from runstream.v1 import text_generation_pb2 as pb


def with_schema(schema: Any) -> pb.RunRequest:
    """Asks for JSON that fits a schema."""
    return pb.RunRequest(response_format=pb.ResponseFormat(json_schema=json.dumps(schema)))
