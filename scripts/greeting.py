"""What `make run` says once it can be asked: where, and three requests to paste."""

import shlex
from pathlib import Path

GREETING = """
Runstream answers at {bridge} (gRPC at {service_address}).
{invitation}:

  curl {curl_to} -d '{{"prompt": "where is new york?"}}'

  curl {curl_to} -d '{{"messages": [{{"role": "system", "content": "You are a friendly assistant"}},
    {{"role": "user", "content": "Why is pizza so good?"}}]}}'

  curl -N {curl_to} -d '{{"prompt": "Tell me a story", "stream": true}}'

{advice}Ctrl-C ends it.
"""
DEMO_ADVICE = """Those answers are a toy's. A real model, 93 to 270 MB to fetch: make run MODEL=smollm2

"""


def greeting(bridge_url: str, service_address: str, bridge_socket: Path | None = None, model: str = "") -> str:
    """Says where to ask and how.

    Args:
        bridge_url: where the bridge is, without a path.
        service_address: host and port of the service.
        bridge_socket: the Unix socket that the bridge listens on; None for the address in the URL.
        model: who is asked; empty for the demo, as the stand-in that code for Workers AI meets.
    """
    run_url = f"{bridge_url}/client/v4/accounts/me/ai/run/{model or '@cf/meta/llama-3.1-8b-instruct'}"
    curl_to = f"--unix-socket {shlex.quote(str(bridge_socket))} {run_url}" if bridge_socket else run_url
    bridge = f"unix:{bridge_socket}" if bridge_socket else bridge_url
    # No browser opens a socket.
    invitation = "Ask it something" if bridge_socket else f"Open {bridge_url}/ in a browser, or ask it from here"
    return GREETING.format(
        bridge=bridge,
        service_address=service_address,
        invitation=invitation,
        curl_to=curl_to,
        advice="" if model else DEMO_ADVICE,
    )
