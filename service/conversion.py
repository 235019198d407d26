"""Between the contract's messages and the service's own values: checks, defaults and limits."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runstream.v1 import models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.bad_words import MAX_BAD_WORD_CHARACTERS, MAX_BAD_WORDS
from service.catalog import CatalogModel
from service.engine.request import EngineState
from service.engine.sequence import Priority, SamplingParams
from service.errors import ContextWindowExceededError, InvalidRequestError
from service.prompt import check_prompt, check_token_ids, num_prompt_logprobs
from service.prompt_length import check_characters
from service.request_sizes import check_number, check_sizes
from service.tools import check_tools

DEFAULT_TEMPERATURE = 0.6
MAX_STOP_SEQUENCES = 8
MAX_STOP_CHARACTERS = 256
MAX_STOP_TOKEN_IDS = 64
MAX_CACHE_SALT_CHARACTERS = 256

PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.ONLINE,
    pb.PRIORITY_ONLINE: Priority.ONLINE,
    pb.PRIORITY_BATCH: Priority.BATCH,
}

MODEL_STATES = {
    EngineState.LOADING: models_pb2.MODEL_STATE_LOADING,
    EngineState.READY: models_pb2.MODEL_STATE_READY,
    EngineState.FAILED: models_pb2.MODEL_STATE_FAILED,
    EngineState.STOPPED: models_pb2.MODEL_STATE_UNLOADED,
}

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


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the model that answers.

    Attributes:
        max_prompt_tokens: The most tokens of a prompt.
        max_completion_tokens: The most tokens of a completion.
        context_window: The most tokens of both together: the catalog's, the checkpoint's and the KV cache's least.
        vocab_size: Its token ids are below this.
    """

    max_prompt_tokens: int
    max_completion_tokens: int
    context_window: int
    vocab_size: int

    @property
    def max_usable_prompt_tokens(self) -> int:
        """The most tokens of a prompt behind which there is room for one more."""
        return min(self.max_prompt_tokens, self.context_window - 1)


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
    check_tools(request)
    check_characters(request)


def to_sampling_params(
    request: pb.RunRequest,
    model: CatalogModel,
    limits: Limits,
    num_prompt_tokens: int,
    eos_token_ids: frozenset[int],
    *,
    stands_in: bool,
    bad_words: tuple[tuple[int, ...], ...] = (),
) -> SamplingParams:
    """Fills in the defaults of a checked request's params and fits `max_tokens` beside the prompt.

    Args:
        model: The model that the request names; its limit and its default hold for `max_tokens`.
        limits: The bounds of the model that answers.
        stands_in: Whether that is another one. Its limits then clamp `max_tokens` and `min_tokens` instead of refusing.
        bad_words: The tokens of the request's bad words, as that model writes them.

    Raises:
        InvalidRequestError: `min_tokens` is over `max_tokens`, a token that the request names is not in the
            vocabulary, or too many log probabilities of the prompt are asked for.
        ContextWindowExceededError: The prompt is too long, or an explicit `max_tokens` is over the model's limit or
            doesn't fit beside the prompt.
    """
    params = request.sampling_params
    _check_prompt(num_prompt_tokens, limits)
    max_tokens = _max_tokens(params, model, limits, num_prompt_tokens, stands_in)
    if params.min_tokens > max_tokens and not stands_in:
        raise _out_of_range("min_tokens", params.min_tokens, f"0 to max_tokens, which is {max_tokens}")
    check_token_ids("sampling_params.logit_bias", list(params.logit_bias), limits.vocab_size)
    check_token_ids("sampling_params.allowed_token_ids", params.allowed_token_ids, limits.vocab_size)
    check_token_ids("stop_token_ids", request.stop_token_ids, limits.vocab_size)
    return SamplingParams(
        max_tokens=max_tokens,
        temperature=params.temperature if params.HasField("temperature") else DEFAULT_TEMPERATURE,
        top_k=params.top_k,
        top_p=params.top_p if params.HasField("top_p") else 1.0,
        min_p=params.min_p,
        repetition_penalty=params.repetition_penalty if params.HasField("repetition_penalty") else 1.0,
        frequency_penalty=params.frequency_penalty,
        presence_penalty=params.presence_penalty,
        logit_bias=tuple(params.logit_bias.items()),
        allowed_token_ids=tuple(params.allowed_token_ids),
        bad_words=bad_words,
        seed=params.seed if params.HasField("seed") else secrets.randbits(63),
        eos_token_ids=frozenset() if params.ignore_eos else eos_token_ids,
        stop_token_ids=frozenset(request.stop_token_ids),
        min_tokens=min(params.min_tokens, max_tokens),
        num_logprobs=params.top_logprobs if params.HasField("top_logprobs") else None,
        num_prompt_logprobs=num_prompt_logprobs(params, num_prompt_tokens),
    )


def to_model(
    entry: CatalogModel, state: "models_pb2.ModelState.ValueType", state_detail: str, served_model: str = ""
) -> models_pb2.Model:
    """Describes a model of the catalog."""
    return models_pb2.Model(
        id=entry.id,
        description=entry.description,
        state=state,
        state_detail=state_detail,
        served_model=served_model,
        max_prompt_tokens=entry.max_prompt_tokens,
        max_completion_tokens=entry.max_completion_tokens,
        context_window=entry.context_window,
        default_max_tokens=entry.default_max_tokens,
        default_max_tokens_streamed=entry.default_max_tokens_streamed,
        license=entry.license,
        can_call_tools=bool(entry.tool_call_format),
    )


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
            raise _out_of_range(descriptor.name, value, allowed)
    for token_id, bias in params.logit_bias.items():
        if not -100 <= bias <= 100:
            raise _out_of_range(f"logit_bias[{token_id}]", bias, "-100 to 100, inclusive")


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


def _out_of_range(name: str, value: float, allowed: str) -> InvalidRequestError:
    field = f"sampling_params.{name}"
    return InvalidRequestError(f"{field} is {value}; its range is {allowed}", field, value=value, range=allowed)


def _check_prompt(num_prompt_tokens: int, limits: Limits) -> None:
    if num_prompt_tokens < 1:
        raise InvalidRequestError("the prompt has no tokens", "input")
    if num_prompt_tokens > limits.max_prompt_tokens:
        raise ContextWindowExceededError(
            f"The number of input tokens ({num_prompt_tokens}) exceeded this model's limit "
            f"({limits.max_prompt_tokens}).",
            "input",
            num_prompt_tokens=num_prompt_tokens,
            max_prompt_tokens=limits.max_prompt_tokens,
        )
    if num_prompt_tokens >= limits.context_window:
        raise _too_many_tokens(num_prompt_tokens, 1, limits.context_window, "input")


def _max_tokens(
    params: pb.SamplingParams, model: CatalogModel, limits: Limits, num_prompt_tokens: int, stands_in: bool
) -> int:
    left = min(limits.context_window - num_prompt_tokens, limits.max_completion_tokens)
    if not params.HasField("max_tokens"):
        return min(model.default_max_tokens, left)
    if params.max_tokens_is_default:
        return min(params.max_tokens, model.max_completion_tokens, left)
    if params.max_tokens > model.max_completion_tokens:
        field, limit = "sampling_params.max_tokens", model.max_completion_tokens
        message = f"{field} is {params.max_tokens}; its range is 1 to {limit} for {model.id}"
        raise ContextWindowExceededError(message, field, max_tokens=params.max_tokens, max_completion_tokens=limit)
    if stands_in:
        return min(params.max_tokens, left)
    if num_prompt_tokens + params.max_tokens > limits.context_window:
        field = "sampling_params.max_tokens"
        raise _too_many_tokens(num_prompt_tokens, params.max_tokens, limits.context_window, field)
    return params.max_tokens


def _too_many_tokens(
    num_prompt_tokens: int, max_tokens: int, context_window: int, field: str
) -> ContextWindowExceededError:
    num_tokens = num_prompt_tokens + max_tokens
    return ContextWindowExceededError(
        f"The estimated number of input and maximum output tokens ({num_tokens}) exceeded this model context window "
        f"limit ({context_window}).",
        field,
        num_prompt_tokens=num_prompt_tokens,
        max_tokens=max_tokens,
        context_window=context_window,
    )
