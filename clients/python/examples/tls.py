"""Asks over TLS and with a token: `RUNSTREAM_TOKEN=… python tls.py HOST:PORT ca.pem`.

The certificate's file holds the authority that the service's certificate must come from; without it those that
everybody knows are trusted.
"""

import os
import sys
from pathlib import Path

from runstream import Client, UnauthenticatedError


def main(target: str, authority: Path | None) -> None:
    """Prints an answer, or that the token is wrong."""
    token = os.environ.get("RUNSTREAM_TOKEN")
    with Client(target, token=token, tls=authority or True) as client:
        try:
            print(client.run("@runstream/demo", prompt="where is new york?").text)
        except UnauthenticatedError as error:
            print(f"set RUNSTREAM_TOKEN: {error}", file=sys.stderr)
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
