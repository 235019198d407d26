"""Calls as texts, for models whose chat template writes none: how they are asked for, and what earlier ones were."""

import json
import re

from runstream.v1 import text_generation_pb2 as pb

from service.requests.call_format import CallFormat
from service.requests.tools import arguments

_JSON = '{{"name": "<its name>", "{key}": {{<its parameters>}}}}'
_FORMS = {
    CallFormat.LLAMA3_JSON: f"JSON of this form: {_JSON.format(key='parameters')}",
    CallFormat.HERMES: f"calls of this form: <tool_call>\n{_JSON.format(key='arguments')}\n</tool_call>",
    CallFormat.MISTRAL: f"calls of this form: [TOOL_CALLS] [{_JSON.format(key='arguments')}]",
    CallFormat.MISTRAL_NAMED: "calls of this form: [TOOL_CALLS]<its name>[ARGS]{<its parameters>}",
    CallFormat.PYTHONIC: "calls of this form: [<its name>(<parameter>=<value>, <parameter>=<value>)]",
}
_PYTHON_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def asked_form(call_format: CallFormat) -> str:
    """What a call looks like, in words."""
    return _FORMS[call_format]


def written_call(call: pb.ToolCall, call_format: CallFormat) -> str:
    """An earlier call as its model has written it: as the format has it, with its arguments unchanged."""
    read = arguments(call)
    written = json.dumps(read, ensure_ascii=False) if isinstance(read, str) else call.arguments_json or "{}"
    match call_format:
        case CallFormat.LLAMA3_JSON:
            return _object(call.name, "parameters", written)
        case CallFormat.HERMES:
            return f"<tool_call>\n{_object(call.name, 'arguments', written)}\n</tool_call>"
        case CallFormat.MISTRAL:
            return f"[TOOL_CALLS] [{_object(call.name, 'arguments', written)}]"
        case CallFormat.MISTRAL_NAMED:
            return f"[TOOL_CALLS]{call.name}[ARGS]{written}"
        case CallFormat.PYTHONIC:
            return f"[{call.name}({_python_arguments(read)})]"


def _object(name: str, key: str, arguments_json: str) -> str:
    return f'{{"name": {json.dumps(name)}, "{key}": {arguments_json}}}'


def _python_arguments(read: dict[str, object] | str) -> str:
    if isinstance(read, str):
        return repr(read)
    if not all(map(_PYTHON_NAME.fullmatch, read)):
        return f"**{read!r}"
    return ", ".join(f"{name}={value!r}" for name, value in read.items())
