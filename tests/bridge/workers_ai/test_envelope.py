"""The envelopes, to the byte."""

from bridge.errors import AiError
from bridge.workers_ai.envelope import binding_failure


def test_a_bindings_failure_is_flat():
    answer = binding_failure(AiError("MODEL_NOT_FOUND", "No such model @cf/x or task"), "2f92db78")
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == (
        b'{"name":"AiError","internalCode":5007,"httpCode":400,'
        b'"message":"AiError: No such model: No such model @cf/x or task (2f92db78)",'
        b'"description":"No such model @cf/x or task","requestId":"2f92db78"}'
    )


def test_a_bindings_failure_tells_when_to_ask_again():
    assert binding_failure(AiError("QUEUE_FULL", retry_after_s=7), "1").headers["Retry-After"] == "7"
