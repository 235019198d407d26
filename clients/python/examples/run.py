"""Asks for a whole answer: `python run.py "where is new york?" [HOST:PORT]`."""

import sys

from runstream import Client


def main(prompt: str, target: str) -> None:
    """Prints the answer, and how many tokens it took."""
    with Client(target) as client:
        result = client.run("@runstream/demo", prompt=prompt, max_tokens=100)
    print(result.text)
    print(f"{result.usage.completion_tokens} tokens, ended by {result.finish_reason}", file=sys.stderr)


if __name__ == "__main__":
    prompt, target = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    main(prompt, target)
