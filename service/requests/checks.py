"""Between the contract's messages and the service's own values: checks, defaults and limits."""

from collections.abc import Callable, Sequence

from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.requests.adapters import check_lora
from service.requests.bad_words import MAX_BAD_WORD_CHARACTERS, MAX_BAD_WORDS
from service.requests.prompt import check_prompt
from service.requests.reasoning import check_reasoning
from service.requests.request_sizes import check_characters, check_number, check_sizes
from service.requests.sampling_params import PRIORITIES, out_of_range
from service.requests.tools import check_tools

MAX_STOP_SEQUENCES = 8
MAX_STOP_CHARACTERS = 256
MAX_STOP_TOKEN_IDS = 64
MAX_CACHE_SALT_CHARACTERS = 256

MAX_LOGIT_BIASES = 1024
MAX_ALLOWED_TOKEN_IDS = 8192

_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    # written so that NaN, which every comparison denies, is out of range
    "max_tokens": (lambda value: value >= 1, "1 or more"),
    "temperature": (lambda value: 0 <= value <= 5, "0 to 5, inclusive"),
    "top_k": (lambda value: value >= 1, "1 or more"),
    "top_p": (lambda value: 0 < value <= 1, "more than 0, to 1 inclusive"),
    "min_p": (lambda value: 0 <= value <= 1, "0 to 1, inclusive"),
    "repetition_penalty": (lambda value: 0.01 <= value <= 2, "0.01 to 2, inclusive"),
    "frequency_penalty": (lambda value: -2 <= value <= 2, "-2 to 2, inclusive"),
    "presence_penalty": (lambda value: -2 <= value <= 2, "-2 to 2, inclusive"),
    "min_tokens": (lambda value: value >= 0, "0 to max_tokens, inclusive"),
    "top_logprobs": (lambda value: 0 <= value <= 20, "0 to 20, inclusive"),
    "top_prompt_logprobs": (lambda value: 0 <= value <= 20, "0 to 20, inclusive"),
}


def check_request(request: pb.RunRequest) -> None:
    """Checks what can be checked without a model.

    Raises:
        InvalidRequestError: A field is missing, out of range, or does not go together with another.
        ContextWindowExceededError: The prompt has more characters than any may have.
    """
    check_sizes(request)
    _check_input(request)
    _check_sampling_params(request.sampling_params)
    _check_stops(request)
    _check_queueing(request)
    check_lora(request.lora)
    check_tools(request)
    check_reasoning(request)
    check_characters(request)


def _check_input(request: pb.RunRequest) -> None:
    match request.WhichOneof("input"):
        case "prompt":
            if not request.prompt.text:
                raise InvalidRequestError("prompt.text is empty: it needs at least 1 character", "prompt.text")
        case "conversation":
            _check_messages(request.conversation)
        case None:
            message = "the request has no input: set prompt, conversation or prompt_token_ids"
            raise InvalidRequestError(message, "input")
    check_prompt(request)


def _check_messages(conversation: pb.Conversation) -> None:
    if not conversation.messages:
        raise InvalidRequestError("conversation.messages is empty: it needs at least 1", "conversation.messages")
    for index, message in enumerate(conversation.messages):
        field = f"conversation.messages[{index}]"
        if not message.role:
            raise InvalidRequestError(f"{field}.role is empty", f"{field}.role")
        for part_index, part in enumerate(message.content):
            if part.WhichOneof("part") is None:
                raise InvalidRequestError(f"{field}.content[{part_index}] is empty: set text", f"{field}.content")


def _check_sampling_params(params: pb.SamplingParams) -> None:
    check_number("sampling_params.logit_bias", params.logit_bias, MAX_LOGIT_BIASES, "tokens")
    check_number("sampling_params.allowed_token_ids", params.allowed_token_ids, MAX_ALLOWED_TOKEN_IDS, "tokens")
    _check_texts("sampling_params.bad_words", params.bad_words, MAX_BAD_WORDS, MAX_BAD_WORD_CHARACTERS)
    for descriptor, value in params.ListFields():
        is_in_range, allowed = _RANGES.get(descriptor.name, (None, ""))
        if is_in_range is not None and not is_in_range(value):
            raise out_of_range(descriptor.name, value, allowed)
    for token_id, bias in params.logit_bias.items():
        if not -100 <= bias <= 100:
            raise out_of_range(f"logit_bias[{token_id}]", bias, "-100 to 100, inclusive")


def _check_stops(request: pb.RunRequest) -> None:
    check_number("stop_token_ids", request.stop_token_ids, MAX_STOP_TOKEN_IDS, "tokens")
    _check_texts("stop_sequences", request.stop_sequences, MAX_STOP_SEQUENCES, MAX_STOP_CHARACTERS)


def _check_texts(name: str, texts: Sequence[str], most: int, most_characters: int) -> None:
    check_number(name, texts, most, "texts")
    for index, text in enumerate(texts):
        if not 1 <= len(text) <= most_characters:
            field = f"{name}[{index}]"
            raise InvalidRequestError(f"{field} has {len(text)} characters; its range is 1 to {most_characters}", field)


def _check_queueing(request: pb.RunRequest) -> None:
    if request.priority not in PRIORITIES:
        names = ", ".join(pb.Priority.Name(value) for value in PRIORITIES)
        raise InvalidRequestError(f"priority is {request.priority}; it must be one of {names}", "priority")
    if len(request.cache_salt) > MAX_CACHE_SALT_CHARACTERS:
        raise InvalidRequestError(
            f"cache_salt has {len(request.cache_salt)} characters; it may have 0 to {MAX_CACHE_SALT_CHARACTERS}",
            "cache_salt",
        )
