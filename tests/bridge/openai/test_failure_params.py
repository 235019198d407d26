"""Which field a failure in OpenAI's shape names."""

import json

import pytest

from bridge.errors import AiError
from bridge.openai.failures import ai_failure, stream_failure


@pytest.mark.parametrize(
    ("error", "param"),
    [
        (AiError("INVALID_REQUEST", "'/stop' does not go with '/tools'", pointer="/tools/0"), "tools[0]"),
        (AiError("INVALID_REQUEST", "'/stop' does not go with '/tools'"), "stop"),
        (AiError("INVALID_REQUEST", "the body is no JSON"), None),
        (AiError("ENGINE_FAILED", "it died over '/stop'"), None),
        (AiError("MODEL_NOT_READY", "'/model' is loading", pointer="/model"), None),
    ],
)
def test_the_field_is_the_one_at_fault_and_none_if_it_is_the_servers(error, param):
    assert json.loads(ai_failure(error, "1").text or "")["error"]["param"] == param
    assert json.loads(stream_failure(error, "1").removeprefix(b"data: "))["error"]["param"] == param
