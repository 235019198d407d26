"""What `make run` says once it can be asked: where, and three requests to paste."""

GREETING = """
Runstream answers at {bridge_url} (gRPC at {service_address}). Ask it something:

  curl {run_url} -d '{{"prompt": "where is new york?"}}'

  curl {run_url} -d '{{"messages": [{{"role": "system", "content": "You are a friendly assistant"}},
    {{"role": "user", "content": "Why is pizza so good?"}}]}}'

  curl -N {run_url} -d '{{"prompt": "Tell me a story", "stream": true}}'

Ctrl-C ends it.
"""


def greeting(bridge_url: str, service_address: str) -> str:
    """Says where to ask and how.

    Args:
        bridge_url: where the bridge is, without a path.
        service_address: host and port of the service.
    """
    run_url = f"{bridge_url}/client/v4/accounts/me/ai/run/@cf/meta/llama-3.1-8b-instruct"
    return GREETING.format(bridge_url=bridge_url, service_address=service_address, run_url=run_url)
