"""What `make run` says once it can be asked: where, and three requests to paste."""

GREETING = """
Runstream answers at {bridge_url} (gRPC at {service_address}). Ask it something:

  curl {run_url} -d '{{"prompt": "where is new york?"}}'

  curl {run_url} -d '{{"messages": [{{"role": "system", "content": "You are a friendly assistant"}},
    {{"role": "user", "content": "Why is pizza so good?"}}]}}'

  curl -N {run_url} -d '{{"prompt": "Tell me a story", "stream": true}}'

Ctrl-C ends it.
"""

BANNER = """
  +--------------------------------------------------------------------------+
  |  Models whose weights are not on this machine are answered by the toy    |
  |  model {stand_in:<65} |
  |  It stands in so that you can try the API; don't judge a model by it.    |
  +--------------------------------------------------------------------------+
"""


def greeting(bridge_url: str, service_address: str, stand_in: str) -> str:
    """Says where to ask and how; with a stand-in, also whose answers those are.

    Args:
        bridge_url: where the bridge is, without a path.
        service_address: host and port of the service.
        stand_in: the model that answers for missing ones, "" if none does.
    """
    run_url = f"{bridge_url}/client/v4/accounts/me/ai/run/@cf/meta/llama-3.1-8b-instruct"
    text = GREETING.format(bridge_url=bridge_url, service_address=service_address, run_url=run_url)
    return (BANNER.format(stand_in=stand_in) if stand_in else "") + text
