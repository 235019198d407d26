"""From keyword arguments to the contract's RunRequest: every field of it and of SamplingParams has its keyword."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, Unpack, cast

from runstream.fields import json_text, list_of, set_field, shown
from runstream.messages import MessageLike, to_message
from runstream.response_formats import ResponseFormatLike, to_response_format
from runstream.spelling import check_names
from runstream.tools import ToolChoiceLike, ToolLike, to_tool, to_tool_choice
from runstream.v1 import text_generation_pb2 as pb


class PromptOptions(TypedDict, total=False):
    """Keywords that make a prompt: one of `prompt`, `messages` and `prompt_token_ids`. None is as good as nothing.

    `raw` goes with `prompt` and `messages`, `add_generation_prompt` and `continue_final_message` with `messages`.
    `chat_template_kwargs` are variables of the model's template, such as `{"enable_thinking": False}`.
    protos/runstream/v1/text_generation.proto tells of each what it does, its range and its default.
    """

    prompt: str | None
    messages: Sequence[MessageLike] | None
    prompt_token_ids: Sequence[int] | None
    raw: bool | None
    add_generation_prompt: bool | None
    continue_final_message: bool | None
    tools: Sequence[ToolLike] | None
    tool_choice: ToolChoiceLike | None
    truncate_prompt_tokens: int | None
    chat_template_kwargs: Mapping[str, Any] | None
    reasoning_effort: str | None


class SamplingOptions(TypedDict, total=False):
    """Keywords for how tokens are chosen and how many: the fields of SamplingParams."""

    max_tokens: int | None
    max_tokens_is_default: bool | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    seed: int | None
    logit_bias: Mapping[int, float] | None
    min_tokens: int | None
    ignore_eos: bool | None
    top_logprobs: int | None
    bad_words: Sequence[str] | None
    allowed_token_ids: Sequence[int] | None
    top_prompt_logprobs: int | None


class CompletionOptions(PromptOptions, SamplingOptions, total=False):
    """Keywords for all that a request has besides its model and its form."""

    stop_sequences: str | Sequence[str] | None
    include_stop_sequence: bool | None
    stop_token_ids: Sequence[int] | None
    priority: Literal["online", "batch"] | None
    cache_salt: str | None
    lora: str | None


class RunOptions(CompletionOptions, total=False):
    """Every keyword of a request."""

    response_format: ResponseFormatLike | None


_PRIORITIES: Final = {"online": pb.PRIORITY_ONLINE, "batch": pb.PRIORITY_BATCH}
_PLAIN: Final = (
    *("include_stop_sequence", "stop_token_ids", "cache_salt", "lora", "truncate_prompt_tokens"),
    "reasoning_effort",
)


def make_request(model: str, **options: Unpack[RunOptions]) -> pb.RunRequest:
    """Makes a request of the contract, for the stubs or for a batch.

    Raises:
        TypeError: A keyword is unknown or a value of the wrong type, or the input is missing or there twice.
        ValueError: A number or a text does not fit its field.
    """
    check_names(options, RunOptions.__annotations__, "a request")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    request = pb.RunRequest()
    set_field(request, "model", model, "model")
    _set_input(request, given)
    for name in _PLAIN:
        _set(request, name, given)
    for name in SamplingOptions.__annotations__:
        _set(request.sampling_params, name, given)
    _set_template_kwargs(request, given.get("chat_template_kwargs"))
    _set_stops(request, given.get("stop_sequences"))
    _set_form(request, given)
    return request


def make_prompt_request(model: str, **options: Unpack[PromptOptions]) -> pb.RunRequest:
    """Makes a request whose prompt is to be counted.

    Raises:
        TypeError: As for `make_request`.
    """
    check_names(options, PromptOptions.__annotations__, "count_tokens")
    return make_request(model, **options)


def _set_input(request: pb.RunRequest, given: Mapping[str, Any]) -> None:
    inputs = [name for name in ("prompt", "messages", "prompt_token_ids") if name in given]
    if len(inputs) != 1:
        have = " and ".join(inputs) or "none"
        raise TypeError(f"a request has one of prompt, messages and prompt_token_ids, this has {have}")
    own = {
        "prompt": ("raw",),
        "messages": ("raw", "add_generation_prompt", "continue_final_message"),
        "prompt_token_ids": (),
    }[inputs[0]]
    for name in ("raw", "add_generation_prompt", "continue_final_message"):
        if name in given and name not in own:
            raise TypeError(f"{name} does not go together with {inputs[0]}")
    if "prompt" in given:
        request.prompt.SetInParent()
        _set(request.prompt, "text", {"text": given["prompt"]}, "prompt")
        _set(request.prompt, "raw", given)
    elif "messages" in given:
        request.conversation.messages.extend(_messages(given["messages"]))
        request.conversation.SetInParent()
        for name in own:
            _set(request.conversation, name, given)
    else:
        request.prompt_token_ids.SetInParent()
        _set(request.prompt_token_ids, "values", {"values": given["prompt_token_ids"]}, "prompt_token_ids")


def _messages(messages: Any) -> list[pb.Message]:
    if isinstance(messages, str | Mapping):
        raise TypeError("messages is one message: give a list of them, or prompt for a single text")
    return [to_message(message, f"messages[{number}]") for number, message in enumerate(list_of(messages, "messages"))]


def _set_template_kwargs(request: pb.RunRequest, kwargs: Any) -> None:
    name = "chat_template_kwargs"
    if kwargs is None:
        return
    if not isinstance(kwargs, Mapping):
        raise TypeError(f"{name} is {shown(kwargs)}: give a dict")
    set_field(request, f"{name}_json", json_text(dict(kwargs), name), name)


def _set_stops(request: pb.RunRequest, stops: str | Sequence[str] | None) -> None:
    if stops is not None:
        values = [stops] if isinstance(stops, str) else stops
        _set(request, "stop_sequences", {"stop_sequences": values})


def _set_form(request: pb.RunRequest, given: Mapping[str, Any]) -> None:
    if "response_format" in given:
        form = to_response_format(given["response_format"])
        if form.WhichOneof("format"):
            request.response_format.CopyFrom(form)
    if "tools" in given:
        tools = enumerate(list_of(given["tools"], "tools"))
        request.tools.extend(to_tool(tool, f"tools[{number}]") for number, tool in tools)
    if "tool_choice" in given:
        request.tool_choice.CopyFrom(to_tool_choice(given["tool_choice"]))
    if "priority" in given:
        priority = given["priority"]
        if not isinstance(priority, str) or priority not in _PRIORITIES:
            raise TypeError(f'priority is {shown(priority)}: give "online" or "batch"')
        request.priority = _PRIORITIES[priority]


def _set(message: Any, field: str, given: Mapping[str, Any], name: str = "") -> None:
    """Sets a field to a value that was given, if one was."""
    if field in given:
        set_field(message, field, given[field], name or field)


def as_run_options(options: Mapping[str, Any]) -> RunOptions:
    """Takes keywords from data, such as a line of a file: `make_request` checks them."""
    return cast(RunOptions, options)
