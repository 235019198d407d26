"""Prints an answer while it is generated, up to its third sentence or Ctrl-C: `python stream.py "Tell me a story"`."""

import sys

from runstream import Client


def main(prompt: str, target: str) -> None:
    """Prints parts as they come; leaving the loop ends the generation."""
    messages = [{"role": "system", "content": "You are a friendly assistant"}, {"role": "user", "content": prompt}]
    with Client(target) as client:
        stream = client.stream("@runstream/demo", messages=messages, temperature=0)
        try:
            for part in stream:
                print(part.text, end="", flush=True)
                if stream.text.count(".") >= 3:
                    break
        except KeyboardInterrupt:
            pass
        print(f"\n({len(stream.text)} characters)")


if __name__ == "__main__":
    prompt, target = [*sys.argv[1:], "127.0.0.1:50051"][:2]
    main(prompt, target)
