"""Which variables a chat template is given: those that it reads, and no others that ask for anything."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.prompts.template_variables import TemplateVariables
from service.requests.checks import check_request
from tests.support.reasoning import QWEN3, R1
from tests.support.tokenizers import CHAT_TEMPLATE

LEVELS = "{{ bos_token }}{{ messages }}{{ tools }}Think {{ reasoning_effort }}ly. {% if thinking %}</think>{% endif %}"
PLAIN, SWITCHED = (
    TemplateVariables([CHAT_TEMPLATE], thinks=False),
    TemplateVariables([CHAT_TEMPLATE, QWEN3], thinks=True),
)
ALWAYS, LEVELLED = TemplateVariables([R1], thinks=True), TemplateVariables([LEVELS], thinks=True)


def asking(kwargs: object = None, effort: str = "") -> pb.RunRequest:
    text = "" if kwargs is None else json.dumps(kwargs)
    request = pb.RunRequest(prompt=pb.Prompt(text="Hi"), chat_template_kwargs_json=text, reasoning_effort=effort)
    check_request(request)
    return request


@pytest.mark.parametrize(
    ("template", "request_", "given"),
    [
        (SWITCHED, asking(), {}),
        (SWITCHED, asking({"enable_thinking": False}), {"enable_thinking": False}),
        (SWITCHED, asking({"enable_thinking": True, "clear_thinking": False, "x": None}), {"enable_thinking": True}),
        (SWITCHED, asking(effort="none"), {"enable_thinking": False}),
        (SWITCHED, asking({"enable_thinking": False}, "none"), {"enable_thinking": False}),
        (SWITCHED, asking({"reasoning_effort": "none"}), {"enable_thinking": False}),
        (SWITCHED, asking(effort="medium"), {}),
        (LEVELLED, asking({"thinking": True}, "high"), {"thinking": True, "reasoning_effort": "high"}),
        (LEVELLED, asking(effort="none"), {"reasoning_effort": "none"}),
        (ALWAYS, asking({"enable_thinking": True}, "medium"), {}),
        (PLAIN, asking({"enable_thinking": False, "thinking": True}, "none"), {}),
    ],
)
def test_what_the_template_reads_it_is_given(template, request_, given):
    assert template.of(request_, stands_in=False) == given


@pytest.mark.parametrize(
    ("template", "request_", "words"),
    [
        (SWITCHED, asking({"thinking_budget": 3}), "takes enable_thinking"),
        (SWITCHED, asking({"clear_thinking": True}), "clear_thinking"),
        (SWITCHED, asking({"enable_thinking": True}, "none"), "enable_thinking is true"),
        (SWITCHED, asking(effort="high"), "only 'medium' and 'none'"),
        (SWITCHED, asking({"reasoning_effort": "low"}, "high"), "has another one"),
        (ALWAYS, asking({"enable_thinking": False}), "takes none"),
        (ALWAYS, asking(effort="none"), "only 'medium' can be asked for"),
        (PLAIN, asking(effort="high"), "no levels"),
        *((LEVELLED, asking({name: []}), name) for name in ("messages", "tools", "bos_token", "raise_exception")),
    ],
)
def test_what_it_does_not_read_is_refused_in_words(template, request_, words):
    with pytest.raises(InvalidRequestError, match=words):
        template.of(request_, stands_in=False)


def test_a_model_that_stands_in_is_told_only_what_its_template_reads():
    request = asking({"enable_thinking": False, "thinking_budget": 3}, "high")
    assert PLAIN.of(request, stands_in=True) == {}
    assert SWITCHED.of(request, stands_in=True) == {"enable_thinking": False}


def nested(depth: int) -> object:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ([], "must be a JSON object"),
        ({"enable_thinking": "false"}, "must be true or false"),
        ({"a": "x" * 16_384}, "it may have 0 to 16384"),
        (nested(17), "deeper than 16 levels"),
    ],
)
def test_variables_are_bounded(kwargs, words):
    with pytest.raises(InvalidRequestError, match=words):
        asking(kwargs)


def test_fields_for_a_template_go_with_no_prompt_that_none_makes():
    raw = pb.RunRequest(prompt=pb.Prompt(text="a", raw=True))
    tokens = pb.RunRequest(prompt_token_ids=pb.TokenIds(values=[1]))
    for request in (raw, tokens):
        for field in (pb.RunRequest(chat_template_kwargs_json="{}"), pb.RunRequest(reasoning_effort="low")):
            field.MergeFrom(request)
            with pytest.raises(InvalidRequestError, match="raw text or tokens"):
                check_request(field)


@pytest.mark.parametrize(("role", "is_raw"), [("user", False), ("assistant", True)])
def test_only_an_assistant_s_message_that_a_template_writes_has_thinking(role, is_raw):
    message = pb.Message(role=role, reasoning_content="hm")
    conversation = pb.Conversation(messages=[message], raw=is_raw)
    with pytest.raises(InvalidRequestError, match="reasoning_content"):
        check_request(pb.RunRequest(conversation=conversation))
