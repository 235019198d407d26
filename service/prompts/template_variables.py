"""The variables that a request gives to the chat template: those that it reads, and no others."""

from collections.abc import Iterable

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.requests.reasoning import EFFORT, KWARGS, SWITCHES, template_kwargs

# What other fields of a request say, and what transformers and jinja2 give to every template.
_FILLED = frozenset(
    {
        *("messages", "tools", "documents", "functions", "custom_tools", "builtin_tools", "xml_tools", "python_tools"),
        *("add_generation_prompt", "continue_final_message", "conversation", "chat_template", "tokenize"),
        *("raise_exception", "strftime_now", "range", "dict", "lipsum", "cycler", "joiner", "namespace"),
    }
)
_SPECIAL_TOKENS = "_token"  # how the names end that transformers gives to special tokens

_DEFAULTS = {"clear_thinking": False, **dict.fromkeys(SWITCHES, True)}
"""What Workers AI declares to be the default of these, so that nothing is asked for."""

_DEFAULT_EFFORT = "medium"  # OpenAI's
_NO_EFFORT = "none"


class TemplateVariables:
    """The variables that a chat template reads beside those that others fill.

    Args:
        templates: The checkpoint's templates; it may have one more for requests with tools.
        thinks: Whether its model may think before it answers.
    """

    def __init__(self, templates: Iterable[str], *, thinks: bool) -> None:
        read = set().union(*map(_read_by, templates))
        self._names = {name for name in read - _FILLED if not name.endswith(_SPECIAL_TOKENS)}
        self._thinks = thinks

    def of(self, request: pb.RunRequest, *, stands_in: bool) -> dict[str, object]:
        """The variables that a checked request gives.

        Args:
            request: The request.
            stands_in: Whether the template is that of another model than the one asked for. What it does not read is
                left out then.

        Raises:
            InvalidRequestError: Some of them say what this model can't be told, or contradict each other.
        """
        given = template_kwargs(request)
        effort = request.reasoning_effort
        if effort and given.setdefault(EFFORT, effort) != effort:
            raise InvalidRequestError(f"{EFFORT} is {effort!r}, and {KWARGS} has another one: leave one out", EFFORT)
        if EFFORT in given and EFFORT not in self._names:
            self._replace_effort(given, EFFORT if effort else KWARGS, stands_in=stands_in)
        if not stands_in:
            self._check(given)
        return {name: value for name, value in given.items() if name in self._names}

    def _replace_effort(self, given: dict[str, object], field: str, *, stands_in: bool) -> None:
        """Says an effort by the template's switch, for it reads none."""
        effort = given.pop(EFFORT)
        switch = next((switch for switch in SWITCHES if switch in self._names), None)
        if effort == _NO_EFFORT and switch is not None:
            if given.setdefault(switch, False) is not False:
                raise InvalidRequestError(f"{EFFORT} is {effort!r}, but {switch} is true: leave one out", field)
        elif not (effort == _DEFAULT_EFFORT or stands_in or (effort == _NO_EFFORT and not self._thinks)):
            only = f"only {_DEFAULT_EFFORT!r}" + (f" and {_NO_EFFORT!r}" if switch or not self._thinks else "")
            message = f"{EFFORT} is {effort!r}; the model that answers has no levels of it: {only} can be asked for"
            raise InvalidRequestError(message, field)

    def _check(self, given: dict[str, object]) -> None:
        unread = [name for name, value in given.items() if name not in self._names and not self._is_so(name, value)]
        if unread:
            known = ", ".join(sorted(self._names)) or "none"
            message = f"{KWARGS} has {unread[0]!r}; the chat template of the model that answers takes {known}"
            raise InvalidRequestError(message, KWARGS)

    def _is_so(self, name: str, value: object) -> bool:
        """Whether a variable that the template does not read asks for what the model does anyway."""
        return value is _DEFAULTS.get(name) or (name in SWITCHES and not self._thinks)


class _Generation(Extension):
    """transformers' own tag, which marks what the assistant says."""

    tags = {"generation"}  # noqa: RUF012  # jinja2's name and type

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


_ENVIRONMENT = jinja2.Environment(extensions=["jinja2.ext.loopcontrols", _Generation])  # noqa: S701  # renders nothing


def _read_by(template: str) -> set[str]:
    """The variables that a template reads; none of one that can't be read, which says so when it is rendered."""
    try:
        return meta.find_undeclared_variables(_ENVIRONMENT.parse(template))
    except jinja2.TemplateSyntaxError:
        return set()


def templates_of(chat_template: str | dict[str, str] | None) -> list[str]:
    """A checkpoint's chat templates: none, one, or several by their names."""
    return list(chat_template.values()) if isinstance(chat_template, dict) else [chat_template] if chat_template else []
