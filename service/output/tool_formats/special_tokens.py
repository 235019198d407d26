"""Special tokens that mark calls: in the text that calls are looked for in, one character stands for each.

They are halves of surrogate pairs, which no text that is decoded from bytes has. So a token is never mistaken for the
same letters written out, no stop sequence finds it, and it can be taken out again.
"""

import re

TOOL_CALLS, ARGS, CALL_ID = "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"
TOOL_CALL, END_OF_TOOL_CALL = "<tool_call>", "</tool_call>"
PYTHON_TAG, PYTHON_START, PYTHON_END = "<|python_tag|>", "<|python_start|>", "<|python_end|>"

_ALL = (TOOL_CALLS, ARGS, CALL_ID, TOOL_CALL, END_OF_TOOL_CALL, PYTHON_TAG, PYTHON_START, PYTHON_END)
SHOWN = {token: chr(0xD800 + index) for index, token in enumerate(_ALL)}

_SHOWN_CHARACTERS = re.compile(f"[{''.join(SHOWN.values())}]")


def without_shown(text: str) -> str:
    """A text without the characters that stand for special tokens."""
    return _SHOWN_CHARACTERS.sub("", text)
