"""llama.cpp's own HTTP server: prints where it listens, and ends with standard input."""

import json
import sys

from bench.peers.workers.llama_cpp import NUM_SLOTS, server_params


def main() -> None:
    """Serves."""
    import xllamacpp

    options = json.loads(sys.argv[1])
    params = server_params(options["weights"], num_http_threads=NUM_SLOTS + 1, port=options["port"])
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
