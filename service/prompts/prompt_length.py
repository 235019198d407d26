"""Which prompts are too long, told before they are rendered and tokenized, and in whose turn long ones are."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from service.errors import ContextWindowExceededError
from service.prompts.token_lengths import TokenLengths

# Up to here encoding takes about a millisecond, less than the event loop needs to notice.
MAX_INLINE_BYTES = 4096
MAX_SHORT_BYTES = 65_536

# One at a time, whichever model they are for. One that waits here is dropped when its caller leaves; one that has begun
# goes on to its end, since pieces of a text have other tokens than the whole.
LONG_PROMPTS = ThreadPoolExecutor(1, "long-prompt")


def check_length(lengths: TokenLengths, texts: Iterable[str], max_prompt_tokens: int | None) -> None:
    """Checks whether a prompt can have few enough tokens.

    Args:
        lengths: Those of the model's tokens.
        texts: What the prompt has at least.
        max_prompt_tokens: The most tokens that it may have; None for any number.

    Raises:
        ContextWindowExceededError: It can't.
    """
    if max_prompt_tokens is not None and lengths.are_more(texts, max_prompt_tokens):
        raise ContextWindowExceededError(
            f"The number of input tokens (more than {max_prompt_tokens}) exceeded this model's limit "
            f"({max_prompt_tokens}).",
            "input",
            max_prompt_tokens=max_prompt_tokens,
        )
