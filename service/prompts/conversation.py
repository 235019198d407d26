"""A request's messages and tools in the form that a chat template takes: as it was trained to, or in plain words."""

import hashlib
import json
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, TypeAlias

from runstream.v1 import text_generation_pb2 as pb

from service.prompts.call_texts import asked_form, written_call
from service.prompts.tool_template import ToolTemplate
from service.requests.call_format import CallFormat
from service.requests.tools import arguments, described_tools, parameters

Entry: TypeAlias = dict[str, Any]
"""A message or a tool, as OpenAI's API writes it and chat templates read it."""

_INSTRUCTION = """\
You can call these tools, each written as JSON with its name and the JSON Schema of its parameters:

{tools}

To call one, answer with nothing but {form}"""

_FORMATS_WITH_SHORT_IDS = (CallFormat.MISTRAL, CallFormat.MISTRAL_NAMED)
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")


_SAID = frozenset({"role", "content", "reasoning_content"})


def messages_of(request: pb.RunRequest, default_system_prompt: str) -> Sequence[pb.Message]:
    """The messages of a conversation, or those that a single prompt stands for."""
    if request.WhichOneof("input") == "conversation":
        return request.conversation.messages
    turns = [("system", default_system_prompt)] if default_system_prompt else []
    turns.append(("user", request.prompt.text))
    return [pb.Message(role=role, content=[pb.ContentPart(text=text)]) for role, text in turns]


def text_of(message: pb.Message) -> str:
    """The texts of a message's parts, joined."""
    return "".join(part.text for part in message.content)


def as_trained(messages: Sequence[pb.Message], template: ToolTemplate) -> list[Entry]:
    """Messages for a template that writes calls itself, each call's result behind it in the order of the calls.

    Where the template takes one call a message, as Llama 3.1's, each becomes a message. What is said beside a call is a
    message of its own where the template would leave it out. The first of them has what was thought before. Mistral's
    templates insist on ids of nine letters and digits.
    """
    entries: list[Entry] = []
    is_taken: set[int] = set()
    for place, message in enumerate(messages):
        if place in is_taken:
            continue
        if not message.tool_calls:
            entries.append(_spoken(message))
            continue
        thinking, text = _thinking(message), text_of(message)
        if text and not template.keeps_text:
            entries.append({"role": message.role, "content": text, **thinking})
            thinking = {}
        following = takewhile(lambda other: messages[other].role == "tool", range(place + 1, len(messages)))
        results = {other: messages[other] for other in islice(following, len(message.tool_calls))}
        places = _places_of_results(message.tool_calls, results)
        is_taken.update(other for other in places if other is not None)
        ids = _ids(message, place, template.call_format)
        calls = [_call(call, call_id) for call, call_id in zip(message.tool_calls, ids, strict=True)]
        answers = [
            None if other is None else _result(messages[other], call, call_id)
            for other, call, call_id in zip(places, message.tool_calls, ids, strict=True)
        ]
        first = {"role": message.role, "content": text if template.keeps_text else "", **thinking}
        if template.takes_several:
            entries += [{**first, "tool_calls": calls}, *filter(None, answers)]
            continue
        for call, answer in zip(calls, answers, strict=True):
            entries += [{**first, "tool_calls": [call]}, *filter(None, [answer])]
            first = {"role": message.role, "content": ""}
    return entries


def thoughts_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Messages for a template that knows thoughts: those of an assistant are a field of their own, not what it said.

    Cut as the templates of Qwen3 and of DeepSeek-R1 cut it; in a text, `</think>` would be a text to them.
    """
    changed = []
    for entry in entries:
        before, *others = entry["content"].split("</think>")
        if entry["role"] == "assistant" and others and not entry.get("reasoning_content"):
            thought = before.rstrip("\n").split("<think>")[-1].lstrip("\n")
            changed.append({**entry, "reasoning_content": thought, "content": others[-1].lstrip("\n")})
        else:
            changed.append(entry)
    return changed


def tools_as_trained(request: pb.RunRequest) -> list[Entry] | None:
    """The tools that the model is told of; None if there are none."""
    tools = described_tools(request)
    return [{"type": "function", "function": _function(tool)} for tool in tools] or None


def in_words(
    request: pb.RunRequest, messages: Iterable[pb.Message], call_format: CallFormat, *, has_system_role: bool
) -> list[Entry]:
    """Messages for a template that knows nothing of tools: calls and results are texts that somebody says.

    Args:
        request: Has the tools, which the system message describes.
        messages: Its messages.
        call_format: How the model is asked to write calls.
        has_system_role: Whether the template lets a system speak; if not, the first user says it all.
    """
    turns: list[tuple[Entry, list[str]]] = []
    names: dict[str, str] = {}
    is_behind_result = False
    for message in messages:
        names.update((call.id, call.name) for call in message.tool_calls)
        is_result = message.role == "tool"
        role = "user" if is_result else message.role
        text = _result_in_words(message, names) if is_result else _said(message, call_format)
        if role == "user" and is_behind_result:
            turns[-1][1].append(text)  # for templates in which user and assistant must take turns
        else:
            turns.append(({"role": role, **_thinking(message)}, [text]))
        is_behind_result = is_result or (is_behind_result and role == "user")
    entries = [{**entry, "content": "\n".join(texts)} for entry, texts in turns]
    if not has_system_role:
        entries = _without_system(entries)
    if tools := described_tools(request):
        listed = "\n".join(json.dumps(_function(tool), ensure_ascii=False) for tool in tools)
        instruction = _INSTRUCTION.format(tools=listed, form=asked_form(call_format))
        _instruct(entries, instruction, "system" if has_system_role else "user")
    return entries


def in_turns(entries: Sequence[Entry], *, has_system_role: bool) -> list[Entry]:
    """Messages for a template in which a system may speak first and then user and assistant must take turns.

    The order is that of mistral_common's encoder. What systems say anywhere goes first. Neighbours of one role are one
    message, with blank lines between. Before an assistant who begins stands a user who says nothing.

    Args:
        entries: Messages that the template refused.
        has_system_role: Whether it lets a system speak; if not, the first user says it all.
    """
    turns: list[Entry] = []
    spoken = (entry for entry in entries if entry["role"] != "system" or entry["content"])
    for entry in sorted(spoken, key=lambda entry: entry["role"] != "system"):
        before = turns[-1] if turns else {}
        is_same = bool(before) and before["role"] == entry["role"] != "tool"
        if is_same and _SAID.issuperset(before.keys() | entry.keys()):
            joined = {key: "\n\n".join(said[key] for said in (before, entry) if key in said) for key in before | entry}
            turns[-1] = {**joined, "role": entry["role"]}
        elif is_same and _SAID.issuperset(before) and "tool_calls" in entry:
            turns[-1] = {**before, **entry, "content": before["content"] + entry["content"]}
        else:
            turns.append(entry)
    num_systems = int(bool(turns) and turns[0]["role"] == "system")
    if num_systems == len(turns) or turns[num_systems]["role"] == "assistant":
        turns.insert(num_systems, {"role": "user", "content": ""})
    return turns if has_system_role else _without_system(turns)


def _spoken(message: pb.Message) -> Entry:
    told = {"tool_call_id": message.tool_call_id, "name": message.name if message.role == "tool" else ""}
    given = {key: value for key, value in told.items() if value}
    return {"role": message.role, "content": text_of(message), **_thinking(message), **given}


def _thinking(message: pb.Message) -> Entry:
    """What the message's speaker thought before, for templates that show it again; others leave it out."""
    return {"reasoning_content": message.reasoning_content} if message.reasoning_content else {}


def _call(call: pb.ToolCall, call_id: str) -> Entry:
    function = {"name": call.name, "arguments": arguments(call)}
    return {"type": "function", "function": function, **({"id": call_id} if call_id else {})}


def _result(message: pb.Message, call: pb.ToolCall, call_id: str) -> Entry:
    """A result, with the name and the id of the call that it answers."""
    told = {"tool_call_id": call_id or message.tool_call_id}
    return {**_spoken(message), "name": message.name or call.name, **{key: told[key] for key in told if told[key]}}


def _ids(message: pb.Message, place: int, call_format: CallFormat) -> list[str]:
    """The ids of a message's calls, as its template takes them."""
    ids = [call.id for call in message.tool_calls]
    if call_format not in _FORMATS_WITH_SHORT_IDS:
        return ids
    return [_short_id(call_id or f"{place}.{index}") for index, call_id in enumerate(ids)]


def _short_id(call_id: str) -> str:
    """Nine letters and digits that stand for an id, or the id if it is such."""
    return call_id if _SHORT_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _function(tool: pb.Tool) -> Entry:
    return {"name": tool.name, "description": tool.description, "parameters": parameters(tool)}


def _places_of_results(calls: Sequence[pb.ToolCall], results: Mapping[int, pb.Message]) -> list[int | None]:
    """Where each call's result is: found by its id, by its name if it has no id, else in their order."""
    waiting: dict[tuple[str, str], deque[int]] = defaultdict(deque)
    for place, result in results.items():
        key = ("id", result.tool_call_id) if result.tool_call_id else ("name", result.name)
        waiting[key].append(place)
    found: dict[int, int] = {}
    for kind in ("id", "name"):
        for index, call in enumerate(calls):
            places = waiting[kind, getattr(call, kind)]
            if index not in found and places:
                found[index] = places.popleft()
    left = iter(sorted(results.keys() - found.values()))
    return [found[index] if index in found else next(left, None) for index in range(len(calls))]


def _said(message: pb.Message, call_format: CallFormat) -> str:
    calls = [written_call(call, call_format) for call in message.tool_calls]
    text = text_of(message)
    return "\n".join([text, *calls] if text else calls)


def _result_in_words(message: pb.Message, names: dict[str, str]) -> str:
    name = message.name or names.get(message.tool_call_id, "")
    return json.dumps({**({"name": name} if name else {}), "result": text_of(message)}, ensure_ascii=False)


def _without_system(entries: list[Entry]) -> list[Entry]:
    """Puts what a system says first before what the user says behind it, as Mistral's own encoder does."""
    if [entry["role"] for entry in entries[:2]] != ["system", "user"]:
        return entries
    system, user, *others = entries
    said = [entry["content"] for entry in (system, user) if entry["content"] or entry is user]
    return [{**user, "content": "\n\n".join(said)}, *others]


def _instruct(entries: list[Entry], instruction: str, role: str) -> None:
    """Tells the model in the first system message, or before what the first user says."""
    if role == "system" and entries[0]["role"] == role:
        entries[0]["content"] = "\n\n".join(filter(None, (entries[0]["content"], instruction)))
        return
    if role == "user":
        for entry in entries:
            if entry["role"] == role:
                entry["content"] = instruction + "\n\n" + entry["content"]
                return
    entries.insert(0, {"role": role, "content": instruction})
