"""Goes once through all: `python tour.py HOST:PORT [ca.pem]`; needs grpcio-health-checking."""

import os
import sys

from grpc_health.v1 import health_pb2, health_pb2_grpc
from runstream import Client, DeadlineExceededError, ModelNotFoundError

MODEL = "@runstream/demo"


def main(address: str, authority: str | None) -> None:
    """Prints a line for each thing that it does; the token is in RUNSTREAM_TOKEN."""
    with Client(address, token=os.environ.get("RUNSTREAM_TOKEN"), tls=authority) as client:
        health = health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        print("health:", health_pb2.HealthCheckResponse.ServingStatus.Name(health.status))
        whole = client.run(MODEL, prompt="where is new york?", temperature=0)
        print(f"{whole.text} ({whole.usage.completion_tokens} tokens)")
        print(*(part.text for part in client.stream(MODEL, prompt="where is new york?", temperature=0)), sep="")
        stream = client.stream(MODEL, prompt="where is new york?", temperature=0)
        for number, _ in enumerate(stream, start=1):
            if number == 3:
                break  # the service stops generating
        print(stream.text)
        try:
            client.run(MODEL, prompt="Tell me a story", max_tokens=900, ignore_eos=True, timeout_s=0.05)
        except DeadlineExceededError as error:
            print("deadline:", error.reason)
        try:
            client.run("@no/such-model", prompt="where is new york?")
        except ModelNotFoundError as error:
            print("error:", error.reason)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
