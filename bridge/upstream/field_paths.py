"""From the service's words for a request's fields to those that the client wrote: `stop_sequences[1]` is '/stop/1'."""

import re
from typing import Final

# What a path of the contract begins with, and what stands there in a body instead.
BEGINNINGS: Final = {
    "sampling_params.top_prompt_logprobs": "/prompt_logprobs",
    "sampling_params.": "/",
    "conversation.messages": "/messages",
    "conversation.raw": "/raw",
    "conversation.add_generation_prompt": "/add_generation_prompt",
    "conversation.continue_final_message": "/continue_final_message",
    "prompt.text": "/prompt",
    "prompt.raw": "/raw",
    "prompt_token_ids.values": "/prompt",
    "prompt_token_ids": "/prompt",
    "include_stop_sequence": "/include_stop_str_in_output",
    "stop_sequences": "/stop",
    "chat_template_kwargs_json": "/chat_template_kwargs",
    "tool_choice.mode": "/tool_choice",
    "tool_choice.name": "/tool_choice",
}

STEPS: Final = {"arguments_json": "arguments", "parameters_json": "parameters"}

# A word alone, such as "tools", may be one of the sentence's own. These are paths wherever they stand.
STEP: Final = r"(?:\.\w+|\[\d+\])"
PATHS: Final = re.compile(
    r"(?<![\w.'])(?:"
    rf"(?:sampling_params|conversation|prompt|tool_choice|response_format){STEP}+|(?:stop_sequences|stop_token_ids|prompt_token_ids|truncate_prompt_tokens|include_stop_sequence|chat_template_kwargs_json)\b{STEP}*|(?:tools|items)(?=\[){STEP}+)"
)


def to_json_pointer(field: str) -> str:
    """The place in a body of what the contract calls `field`; its root for the input as a whole.

    Args:
        field: A path in the contract's words, as in google.rpc.BadRequest, for example "tools[2].parameters_json".
    """
    if field in ("", "input"):
        return "/"
    field = re.sub(r"^items(?:\[(\d+)\](?:\.request)?)?", lambda item: f"/requests/{item[1] or ''}", field)
    for beginning, pointer in BEGINNINGS.items():
        if field.startswith(beginning):
            field = pointer + field.removeprefix(beginning)
            break
    steps = [step for step in re.split(r"[./\[\]]+", field) if step]
    return "/" + "/".join(STEPS.get(step, step) for step in steps)


def in_the_clients_words(message: str, field: str) -> str:
    """A message of the service's with the places in the body instead of the contract's paths.

    Args:
        message: The message.
        field: The field at fault; the message may begin with it even if it is a word like others.
    """
    if field and re.match(rf"{re.escape(field)}(?![\w.\[])", message):
        rest = message.removeprefix(field)
        return f"'{to_json_pointer(field)}'" + PATHS.sub(_quoted, rest)
    return PATHS.sub(_quoted, message)


def _quoted(path: re.Match[str]) -> str:
    return f"'{to_json_pointer(path[0])}'"
