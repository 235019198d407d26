"""A request's sampling parameters, with defaults filled in and fitted to the model that answers."""

import secrets
from dataclasses import dataclass

from runstream.v1 import text_generation_pb2 as pb

from service.catalog import CatalogModel
from service.engine_protocol.sampling_params import Priority, SamplingParams
from service.errors import ContextWindowExceededError, InvalidRequestError
from service.requests.prompt import check_token_ids, num_prompt_logprobs

PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.ONLINE,
    pb.PRIORITY_ONLINE: Priority.ONLINE,
    pb.PRIORITY_BATCH: Priority.BATCH,
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
        model: The model that the request names; its limit and its defaults hold.
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
        raise out_of_range("min_tokens", params.min_tokens, f"0 to max_tokens, which is {max_tokens}")
    check_token_ids("sampling_params.logit_bias", list(params.logit_bias), limits.vocab_size)
    check_token_ids("sampling_params.allowed_token_ids", params.allowed_token_ids, limits.vocab_size)
    check_token_ids("stop_token_ids", request.stop_token_ids, limits.vocab_size)
    return SamplingParams(
        max_tokens=max_tokens,
        temperature=params.temperature if params.HasField("temperature") else model.default_temperature,
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


def out_of_range(name: str, value: float, allowed: str) -> InvalidRequestError:
    """The refusal of a sampling parameter outside of its range, which it tells."""
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
