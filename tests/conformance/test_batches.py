"""A batch with Cloudflare's SDK for Python, whose `run` has no parameter for one: by its generic `post`."""

from typing import Any

from cloudflare import Cloudflare

MODEL = "@cf/meta/llama-3.1-8b-instruct"
REQUESTS = [
    {"prompt": "where is new york?", "temperature": 0, "external_reference": "first"},
    {"prompt": "hi", "seed": 1},
]


def post(client: Cloudflare, **body: Any) -> Any:
    """The result that the SDK reads out of the envelope's JSON."""
    options: Any = {"params": {"queueRequest": "true"}}
    envelope: Any = client.post(f"/accounts/acc/ai/run/{MODEL}", body=body, options=options, cast_to=object)
    assert envelope["success"]
    return envelope["result"]


def test_the_sdk_for_python_queues_a_batch_and_polls_it(running_stack):
    with Cloudflare(base_url=f"{running_stack.url}/client/v4", api_token="any", max_retries=0) as client:
        queued = told = post(client, requests=REQUESTS)
        while "status" in told:
            told = post(client, request_id=queued["request_id"])
        alone: Any = client.ai.run(MODEL, account_id="acc", prompt="where is new york?", extra_body={"temperature": 0})
    first, second = told["responses"]
    assert first["external_reference"] == "first"
    assert first["result"]["response"] == alone["response"]
    assert second["success"]
