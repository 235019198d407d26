"""Asks a service by the Python client what each line of standard input says; tests/clients/contract.py tells how."""

import argparse
import json
import sys
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from runstream import Choice, Client, Regex, RunstreamError
from runstream.v1 import text_generation_pb2 as pb

PLAIN = (
    *("stop_sequences", "include_stop_sequence", "stop_token_ids", "cache_salt", "lora", "truncate_prompt_tokens"),
    "reasoning_effort",
)
MODES = {pb.TOOL_CHOICE_MODE_AUTO: "auto", pb.TOOL_CHOICE_MODE_NONE: "none", pb.TOOL_CHOICE_MODE_REQUIRED: "required"}
PRIORITIES = {pb.PRIORITY_ONLINE: "online", pb.PRIORITY_BATCH: "batch"}


def show(name: str, message: Message) -> None:
    """Prints a message."""
    print(f'{{"{name}": {json_format.MessageToJson(message, indent=None)}}}', flush=True)


def set_fields(message: Message) -> dict[str, Any]:
    """The fields of a message that are set, by name."""
    return {field.name: value for field, value in message.ListFields()}


def to_options(request: pb.RunRequest) -> dict[str, Any]:
    """The client's keywords that make the request."""
    options = set_fields(request.sampling_params) | {
        name: value for name, value in set_fields(request).items() if name in PLAIN
    }
    match request.WhichOneof("input"):
        case "prompt":
            options |= {"prompt": request.prompt.text, "raw": request.prompt.raw}
        case "conversation":
            options |= set_fields(request.conversation)
            options["messages"] = [to_dict(message) for message in request.conversation.messages]
        case "prompt_token_ids":
            options["prompt_token_ids"] = request.prompt_token_ids.values
    if request.tools:
        options["tools"] = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters_json or None}
            for tool in request.tools
        ]
    if request.HasField("tool_choice"):
        options["tool_choice"] = request.tool_choice.name or MODES[request.tool_choice.mode]
    if request.chat_template_kwargs_json:
        options["chat_template_kwargs"] = json.loads(request.chat_template_kwargs_json)
    if request.priority:
        options["priority"] = PRIORITIES[request.priority]
    return options | to_form(request.response_format)


def to_dict(message: pb.Message) -> dict[str, Any]:
    """A message as a dict like OpenAI's."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
        for call in message.tool_calls
    ]
    content = [{"type": "text", "text": part.text} for part in message.content]
    return set_fields(message) | {"content": content, "tool_calls": calls}


def to_form(form: pb.ResponseFormat) -> dict[str, Any]:
    """The keyword of a form, if there is one."""
    kind = form.WhichOneof("format")
    ways: dict[str | None, dict[str, Any]] = {
        None: {},
        "json_object": {"response_format": "json_object"},
        "json_schema": {"response_format": form.json_schema},
        "regex": {"response_format": Regex(form.regex)},
        "choice": {"response_format": Choice(*form.choice.values)},
    }
    return ways[kind]


def to_status(error: RunstreamError) -> status_pb2.Status:
    """The status that the error was made of, from what the error tells."""
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    if error.reason:
        info = error_details_pb2.ErrorInfo(reason=error.reason, domain="runstream", metadata=error.metadata)
        status.details.add().Pack(info)
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_s is not None:
        delay = Duration(seconds=int(error.retry_after_s))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def ask(client: Client, line: str) -> status_pb2.Status:
    """Asks one question; prints what comes back, and returns how it ended."""
    method, timeout_ms, cancel_after, text = line.split(" ", 3)
    request = json_format.Parse(text, pb.RunRequest())
    options = to_options(request) | {"timeout_s": int(timeout_ms) / 1000}
    try:
        if method == "Run":
            show("response", client.run(request.model, **options).raw)
            return status_pb2.Status()
        stream = client.stream(request.model, **options)
        for number, part in enumerate(stream, start=1):
            show("part", part.raw)
            if number == int(cancel_after):
                break
        stream.result()
    except RunstreamError as error:
        return to_status(error)
    return status_pb2.Status()


def main() -> None:
    """Answers the lines of standard input until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--address", "--token", "--ca"):
        parser.add_argument(name, default="")
    arguments = parser.parse_args()
    # One attempt: a test that wants to see UNAVAILABLE need not wait for four.
    with Client(arguments.address, token=arguments.token, tls=arguments.ca or None, max_attempts=1) as client:
        for line in sys.stdin:
            show("status", ask(client, line))


if __name__ == "__main__":
    main()
