"""Fields of OpenAI's, vLLM's and similar servers' requests that would change the answer and that nothing here can do.

Each is refused where it asks for something, since leaving it unheard would be worse than saying so. Its neutral values,
which clients send as their defaults, are accepted and change nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bridge.errors import AiError
from bridge.spelling import Spelling, respelled_in


class Refusal(NamedTuple):
    """The reason why a field is refused.

    Attributes:
        advice: What to do instead.
        asks: Whether a value asks for something. Null never does.
    """

    advice: str
    asks: Callable[[Any], bool] = bool


Refused = Mapping[str, Refusal]


def _but(*neutral: Any) -> Callable[[Any], bool]:
    """Whether a value is none of `neutral`; 1 and 1.0 are the same, 1 and true are not."""
    return lambda value: not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)


_LEAVE_OUT: Final = "leave it out"
_ONE_CONSTRAINT: Final = "use '/guided_json', '/guided_regex', '/guided_choice' or '/response_format'"
_SAMPLERS: Final = "leave it out, '/temperature', '/top_k', '/top_p' and '/min_p' choose tokens"

VLLM: Final[Refused] = {
    "guided_grammar": Refusal(_ONE_CONSTRAINT),
    "guided_whitespace_pattern": Refusal("leave it out, the white space of JSON can't be chosen"),
    "structural_tag": Refusal(_ONE_CONSTRAINT),
    "use_beam_search": Refusal(_SAMPLERS),
    "logits_processors": Refusal("use '/logit_bias'"),
    "logprob_token_ids": Refusal("use '/top_logprobs'"),
    "skip_special_tokens": Refusal("leave it out, special tokens are never part of a text", _but(True)),
    "detokenize": Refusal("leave it out, answers are text", _but(True)),
    "truncation_side": Refusal("leave it out, the last tokens of a prompt are kept", _but("left")),
    "documents": Refusal("put what they say into '/messages'"),
    "chat_template": Refusal("use completions with the whole prompt"),
    "include_reasoning": Refusal("leave it out, thinking stands apart from the answer", _but(True)),
    "thinking_token_budget": Refusal("use '/max_tokens', which counts thinking too"),
    "priority": Refusal("leave it out, requests come in their order", _but(0)),
    "kv_transfer_params": Refusal(_LEAVE_OUT),
    "ec_transfer_params": Refusal(_LEAVE_OUT),
    "vllm_xargs": Refusal(_LEAVE_OUT),
    "watermarking": Refusal(_LEAVE_OUT),
    "repetition_detection": Refusal("use '/stop', '/repetition_penalty' or '/max_tokens'"),
    "prompt_embeds": Refusal("send the prompt as text or as token ids"),
    "return_token_ids": Refusal("use '/logprobs' with '/return_tokens_as_token_ids'"),
    "return_prompt_text": Refusal(_LEAVE_OUT),
}

OTHERS: Final[Refused] = {
    # llama.cpp
    "grammar": Refusal(_ONE_CONSTRAINT),
    "json_schema": Refusal("use '/guided_json' or '/response_format'"),
    "n_predict": Refusal("use '/max_tokens'", _but(-1)),
    "repeat_penalty": Refusal("use '/repetition_penalty'", _but(1)),
    "dry_multiplier": Refusal("use '/repetition_penalty'"),
    "xtc_probability": Refusal(_SAMPLERS),
    "typical_p": Refusal(_SAMPLERS, _but(0, 1)),
    "mirostat": Refusal(_SAMPLERS),
    "dynatemp_range": Refusal(_SAMPLERS),
    "top_n_sigma": Refusal(_SAMPLERS, _but(-1, 0)),
    "samplers": Refusal(_SAMPLERS),
    # SGLang
    "regex": Refusal("use '/guided_regex'"),
    "ebnf": Refusal(_ONE_CONSTRAINT),
    "stop_regex": Refusal("use '/stop'"),
    "no_stop_trim": Refusal("use '/include_stop_str_in_output'"),
    "custom_logit_processor": Refusal("use '/logit_bias'"),
    # Text Generation Inference
    "max_new_tokens": Refusal("use '/max_tokens'"),
    "stop_sequences": Refusal("use '/stop'"),
    "truncate": Refusal("use '/truncate_prompt_tokens'"),
    "watermark": Refusal(_LEAVE_OUT),
    "return_full_text": Refusal("put '/prompt' before the answer's text"),
}

_NO_MEDIA: Final = Refusal("the models here read only text")

# In a message and in a part of one, also beside a text.
MEDIA: Final[Refused] = dict.fromkeys(
    ("image", "images", "image_url", "input_image", "audio", "input_audio", "video_url", "file"), _NO_MEDIA
)

NO_CONVERSATION: Final[Refused] = {
    "continue_final_message": Refusal("use '/messages'"),
    "add_generation_prompt": Refusal("use '/messages'", _but(True)),
}
_NO_BEST: Final = Refusal("leave it out, all choices are answered", _but(1))

OPENAI: Final[Refused] = {
    "functions": Refusal("describe the functions in '/tools'"),
    "function_call": Refusal("use '/tool_choice'"),
    "modalities": Refusal("answers are text", _but([], ["text"])),
    "audio": Refusal("answers are text"),
    "prediction": Refusal(_LEAVE_OUT),
    "moderation": Refusal("leave it out, nothing here judges texts"),
    "web_search_options": Refusal("models have no access to the web"),
    "image": _NO_MEDIA,
}

EVERYWHERE: Final[Refused] = {**VLLM, **OTHERS, **OPENAI}
CHAT: Final[Refused] = {
    **EVERYWHERE,
    "prompt": Refusal("use '/messages', or completions instead of chat/completions"),
    "echo": Refusal("leave it out, the last message is never repeated"),
    "add_special_tokens": Refusal("leave it out, the chat template writes them"),
    "suffix": Refusal("use completions"),
    "best_of": _NO_BEST,
    "raw": Refusal("use completions", _but(False, "false")),
}
COMPLETION: Final[Refused] = {
    **EVERYWHERE,
    **NO_CONVERSATION,
    **dict.fromkeys(("messages", "tools", "tool_choice", "functions"), Refusal("use chat/completions")),
    **dict.fromkeys(("chat_template_kwargs", "reasoning_effort"), Refusal("use chat/completions")),
    "response_format": Refusal("use '/guided_json', or chat/completions"),
    "suffix": Refusal("put it into '/prompt' as the model was trained to see it"),
    "echo": Refusal("put '/prompt' before the answer's text"),
    "add_special_tokens": Refusal("send '/prompt' as token ids", _but(True)),
    "top_logprobs": Refusal("use '/logprobs'"),
    "max_completion_tokens": Refusal("use '/max_tokens'"),
    "raw": Refusal("use chat/completions", _but(True, "true")),
}
NATIVE: Final[Refused] = {
    **EVERYWHERE,
    "max_completion_tokens": Refusal("use '/max_tokens'"),
    "n": Refusal("use chat/completions", _but(1)),
    "best_of": _NO_BEST,
    "echo": Refusal("put the prompt before the answer's text"),
    "suffix": Refusal("put it into the prompt as the model was trained to see it"),
    "add_special_tokens": Refusal("leave it out, the chat template writes them"),
    "parallel_tool_calls": Refusal("use chat/completions, or the first call alone", _but(True)),
    "logprobs": Refusal("use chat/completions or completions", _but(False)),
    "top_logprobs": Refusal("use chat/completions", _but(0)),
    "prompt_logprobs": Refusal("use chat/completions or completions", _but()),
    "return_tokens_as_token_ids": Refusal("use chat/completions or completions"),
}
NATIVE_PROMPT: Final[Refused] = {**NATIVE, **NO_CONVERSATION}


def _respelled(refused: Refused, spelling: Spelling) -> Refused:
    """The same with the fields that they advise to use as another surface calls them."""
    return {name: Refusal(respelled_in(advice, spelling), asks) for name, (advice, asks) in refused.items()}


_CHAT_ALONE: Final = "use chat/completions"
_NOTHING_KEPT: Final = "responses are not kept here"

RESPONSES: Final[Refused] = {
    **_respelled(
        EVERYWHERE,
        {
            "/messages": "/input",
            "/max_tokens": "/max_output_tokens",
            "/response_format": "/text/format",
            "/logprobs": "/include",
        },
    ),
    "store": Refusal(f"leave it out or send false, {_NOTHING_KEPT}"),
    "previous_response_id": Refusal(f"send the whole conversation in '/input', {_NOTHING_KEPT}"),
    "conversation": Refusal(f"send the whole conversation in '/input', {_NOTHING_KEPT}"),
    "background": Refusal(f"wait for the response or stream it, {_NOTHING_KEPT}"),
    "background_options": Refusal(f"wait for the response or stream it, {_NOTHING_KEPT}"),
    "prompt": Refusal("send its text in '/instructions' and '/input'"),
    "context_management": Refusal("leave it out, or let '/truncation' cut what is too long"),
    "access_programs": Refusal(_LEAVE_OUT),
    "messages": Refusal("use '/input'"),
    "max_tokens": Refusal("use '/max_output_tokens'"),
    "max_completion_tokens": Refusal("use '/max_output_tokens'"),
    "response_format": Refusal("use '/text/format'"),
    "reasoning_effort": Refusal("use '/reasoning/effort'"),
    "verbosity": Refusal("use '/text/verbosity'"),
    "logprobs": Refusal("put 'message.output_text.logprobs' into '/include'"),
    **dict.fromkeys(("prompt_logprobs", "return_tokens_as_token_ids", "continue_final_message"), Refusal(_CHAT_ALONE)),
    "add_generation_prompt": Refusal(_CHAT_ALONE, _but(True)),
    "add_special_tokens": Refusal("leave it out, the chat template writes them"),
    "n": Refusal(_CHAT_ALONE, _but(1)),
    "best_of": _NO_BEST,
    **dict.fromkeys(("echo", "suffix"), Refusal("use completions")),
    "raw": Refusal("use completions", _but(False, "false")),
}
REASONING: Final[Refused] = {
    "mode": Refusal(_LEAVE_OUT, _but("standard")),
    "context": Refusal("leave it out, the chat template chooses what it shows of earlier turns", _but("auto")),
}
RESPONSES_TOOL: Final[Refused] = {
    "async": Refusal("leave it out, calls are answered in the next request"),
    "defer_loading": Refusal("leave it out, the model sees all tools"),
    "allowed_callers": Refusal("leave it out, the model alone calls", _but([], ["direct"])),
}


def check(fields: Mapping[str, Any], refused: Refused, place: str = "") -> None:
    """Looks for fields that are refused.

    Args:
        fields: The body, or an object within it.
        refused: What is refused there.
        place: Where the object is, such as "/structured_outputs".

    Raises:
        AiError: Some are there and ask for something; it names all of them.
    """
    refusals = list(_refusals(fields, refused, place))
    if refusals:
        raise AiError("INVALID_REQUEST", ", ".join(refusals))


def check_media(messages: Iterable[Mapping[str, Any]]) -> None:
    """Looks for images, sounds and files beside the texts of checked messages.

    Raises:
        AiError: There is one.
    """
    for index, message in enumerate(messages):
        check(message, MEDIA, f"/messages/{index}")
        content = message.get("content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            check(part, MEDIA, f"/messages/{index}/content/{number}")


def _refusals(fields: Mapping[str, Any], refused: Refused, place: str) -> Iterator[str]:
    for name, (advice, asks) in refused.items():
        value = fields.get(name)
        if value is not None and asks(value):
            yield f"'{place}/{name}' is not supported, {advice}"
