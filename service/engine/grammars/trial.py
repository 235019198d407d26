"""A process in which grammars are compiled on trial: what never ends, or takes all memory, is ended with it.

llguidance's limits bound each step, but not all compiling: 1.9.1 takes for ever over an anyOf of six values of
multipleOf, and so it does over an allOf of some patterns. A thread could not be stopped.
"""

import json
import resource
import signal
import sys

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

LIMITS = LLParserLimits(max_lexer_states=100_000, verbose_errors=False)

_MAX_MEMORY_BYTES = 2 << 30


def main() -> None:
    """Answers each grammar on standard input with a line of JSON: what is wrong with it, or an empty string.

    Its argument is how many seconds of the processor a grammar may take; it ends with the first that takes more.
    """
    max_cpu_s = float(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS knows the limit and does not keep it
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    tokenizer = LLTokenizer("byte")  # a token for each byte: what takes long does so without a real vocabulary too
    for grammar in sys.stdin:
        signal.setitimer(signal.ITIMER_VIRTUAL, max_cpu_s)  # its signal ends the process
        matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=LIMITS)
        matcher.compute_bitmask()
        print(json.dumps(matcher.get_error()), flush=True)


if __name__ == "__main__":
    main()
