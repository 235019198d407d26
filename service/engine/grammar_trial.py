"""A process in which grammars are compiled on trial: what never ends, or takes all memory, is ended with it.

llguidance's limits bound each step, but not all compiling: 1.9.1 takes for ever over an anyOf of six values of
multipleOf, and so it does over an allOf of some patterns. A thread could not be stopped.
"""

import json
import math
import resource
import select
import subprocess
import sys
import time

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

LIMITS = LLParserLimits(max_lexer_states=100_000, verbose_errors=False)

_MAX_MEMORY_BYTES = 2 << 30

_MAX_CPU_S = 10
"""After how long at one grammar the process ends itself, should nobody be left to do it."""


class GrammarTrial:
    """Starts the process when it is first needed, and again when it was ended. Is used by one thread at a time.

    Args:
        timeout_s: How long compiling may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def find_error(self, grammar: str) -> str:
        """What llguidance has against a grammar; empty if nothing.

        Args:
            grammar: JSON without line breaks.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(grammar.encode() + b"\n")
        process.stdin.flush()
        is_answered = select.select([process.stdout], [], [], self._timeout_s)[0]
        answer = process.stdout.readline() if is_answered else b""
        if not answer:
            self.close()
            return f"compiling it takes more than {self._timeout_s:g} s, or too much memory"
        error: str = json.loads(answer)
        return error

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            command = [sys.executable, "-P", __file__]  # found wherever the engine was started
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        return self._process


def main() -> None:
    """Answers each grammar on standard input with a line of JSON: what is wrong with it, or an empty string."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS knows the limit and does not keep it
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    tokenizer = LLTokenizer("byte")  # a token for each byte: what takes long does so without a real vocabulary too
    for grammar in sys.stdin:
        used_s = math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + _MAX_CPU_S, resource.RLIM_INFINITY))
        matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=LIMITS)
        matcher.compute_bitmask()
        print(json.dumps(matcher.get_error()), flush=True)


if __name__ == "__main__":
    main()
