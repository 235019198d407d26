"""What a request says of thinking: variables of the chat template, how long to think, what was thought before."""

from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.requests.json_text import depth, read_object

MAX_KWARGS_CHARACTERS = 16_384
MAX_KWARGS_DEPTH = 16
MAX_EFFORT_CHARACTERS = 64

KWARGS = "chat_template_kwargs_json"
EFFORT = "reasoning_effort"

_FIELDS = {KWARGS: MAX_KWARGS_CHARACTERS, EFFORT: MAX_EFFORT_CHARACTERS}

SWITCHES = ("enable_thinking", "thinking")
"""Variables with which templates turn thinking on and off."""


def check_reasoning(request: pb.RunRequest) -> None:
    """Checks a request's variables of the chat template and its messages' thinking, as far as no model is needed.

    Raises:
        InvalidRequestError: One is too long, wrong, or does not go together with the rest of the request.
    """
    for field, most in _FIELDS.items():
        _check(request, field, most)
    if depth(template_kwargs(request)) > MAX_KWARGS_DEPTH:
        raise InvalidRequestError(f"{KWARGS} is nested deeper than {MAX_KWARGS_DEPTH} levels", KWARGS)
    for index, message in enumerate(request.conversation.messages):
        if message.reasoning_content:
            field = f"conversation.messages[{index}].reasoning_content"
            _check_message(message, field, is_raw=request.conversation.raw)


def template_kwargs(request: pb.RunRequest) -> dict[str, object]:
    """The variables of the chat template that a request gives; null is the same as none.

    Raises:
        InvalidRequestError: They are no JSON object, or a switch is neither true nor false. Those of a checked request
            raise nothing.
    """
    if not request.chat_template_kwargs_json:
        return {}
    read = read_object(request.chat_template_kwargs_json, KWARGS)
    variables = {name: value for name, value in read.items() if value is not None}
    for switch in SWITCHES:
        if not isinstance(variables.get(switch, False), bool):
            raise InvalidRequestError(f"{KWARGS}.{switch} must be true or false", KWARGS)
    return variables


def is_templated(request: pb.RunRequest) -> bool:
    """Whether the chat template makes the prompt."""
    return not (request.prompt.raw or request.conversation.raw or request.HasField("prompt_token_ids"))


def _check(request: pb.RunRequest, field: str, most: int) -> None:
    text = getattr(request, field)
    if len(text) > most:
        raise InvalidRequestError(f"{field} has {len(text)} characters; it may have 0 to {most}", field)
    if text and not is_templated(request):
        message = f"{field} can't be used together with raw text or tokens, which no chat template is asked for"
        raise InvalidRequestError(message, field)


def _check_message(message: pb.Message, field: str, *, is_raw: bool) -> None:
    if message.role != "assistant":
        raise InvalidRequestError(f"{field} is only for messages of role 'assistant', not {message.role!r}", field)
    if is_raw:
        problem = f"{field} can't be used together with raw, for which only the messages' texts are joined"
        raise InvalidRequestError(problem, field)
