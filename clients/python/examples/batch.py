"""Has many prompts answered behind what others wait for: `python batch.py [HOST:PORT]`."""

import sys

from runstream import Batch, Client

CITIES = ["Paris", "London", "Rome", "Madrid", "Berlin"]


def show(batch: Batch) -> None:
    """Moves a progress bar; one of tqdm or rich would do as well."""
    done = 20 * batch.num_ended // batch.num_items
    print(f"\r[{'#' * done}{' ' * (20 - done)}] {batch.num_ended} of {batch.num_items}", end="", file=sys.stderr)


def main(target: str) -> None:
    """Prints each city's answer, or why there is none."""
    items = [{"prompt": f"Where is {city}?", "external_reference": city, "temperature": 0} for city in CITIES]
    with Client(target) as client:
        batch = client.batches.create("@runstream/demo", items)
        client.batches.wait(batch.id, progress=show, poll_s=0.2)
        print(file=sys.stderr)
        for item in client.batches.results(batch.id):
            print(f"{item.external_reference}: {item.result.text if item.result else item.error}")
        client.batches.delete(batch.id)


if __name__ == "__main__":
    main([*sys.argv[1:], "127.0.0.1:50051"][0])
