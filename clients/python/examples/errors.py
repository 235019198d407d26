"""Tells errors apart, and asks again where that helps: `python errors.py "@no/such-model" [HOST:PORT]`."""

import sys
import time

from runstream import Client, InvalidRequestError, ModelNotFoundError, QueueFullError, RunResult, RunstreamError


def ask(client: Client, model: str, temperature: float) -> RunResult[None]:
    """Asks, and again while the queue is full; what was UNAVAILABLE the client has asked again by itself."""
    for _ in range(5):
        try:
            return client.run(model, prompt="where is new york?", temperature=temperature, timeout_s=30)
        except QueueFullError as error:
            time.sleep(error.retry_after_s or 1)
    raise SystemExit("the service is too busy")


def main(model: str, target: str) -> None:
    """Provokes two errors and prints what a program can know of them."""
    with Client(target) as client:
        try:
            ask(client, model, temperature=0.5)
        except ModelNotFoundError:
            print(f"there is no {model}, but", ", ".join(known.id for known in client.models.list()))
        try:
            ask(client, "@runstream/demo", temperature=9.0)
        except InvalidRequestError as error:
            print(f"change {error.field}: {error.message}")
        except RunstreamError as error:
            print(f"{error.reason or error.code.name}: {error} (request {error.request_id})")


if __name__ == "__main__":
    model, target = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    main(model, target)
