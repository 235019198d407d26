"""The playground's requests as code, written by the page's own module in a process of Node.js that stays."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripts.real_clients import NODE, NODE_FOLDER


class CodeWriter:
    """Writes requests as code.

    Args:
        node: The process of tests/node/code_for.mjs.
        request: What all requests have, beside their body.
    """

    def __init__(self, node: subprocess.Popen[str], request: dict[str, Any]) -> None:
        self._node = node
        self._request = request

    def __call__(self, kind: str, body: object, **more: Any) -> tuple[str, Any]:
        """The code, and for JavaScript what it asks its client for.

        Args:
            kind: An id of code.js.
            body: The request's, for Workers AI's own route.
            more: What the request has besides, or instead.
        """
        assert self._node.stdin
        assert self._node.stdout
        question = {"kind": kind, "request": {**self._request, "body": body, **more}}
        print(json.dumps(question), file=self._node.stdin, flush=True)
        answer = json.loads(self._node.stdout.readline(), parse_int=float)
        return answer["code"], answer.get("asked")


@contextmanager
def code_writer(request: dict[str, Any]) -> Iterator[CodeWriter]:
    """Starts a writer, and ends it."""
    command = [str(NODE), "--no-warnings", "code_for.mjs"]
    with subprocess.Popen(command, cwd=NODE_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        yield CodeWriter(node, request)
        node.communicate()
