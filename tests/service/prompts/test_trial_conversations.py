"""A broken chat template is told at load; one that refuses what its model does not know is not broken."""

import re
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from service.prompts.tokenizer import Chat
from tests.support.published_templates import CATALOG
from tests.support.tokenizers import CHAT_TEMPLATE, byte_level_tokenizer

TOKENIZER = byte_level_tokenizer()
EACH = "{% for message in messages %}{{ message.content }}{% endfor %}"


def problem(template: str | None, tool_call_format: str = "") -> str:
    fast = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, bos_token="<s>", eos_token="</s>")
    fast.chat_template = template
    return Chat(fast, frozenset(), tool_call_format).template_problem


@pytest.mark.parametrize("model_id", [name for name in CATALOG if CATALOG[name].chat_template])
def test_the_catalogs_templates_are_whole(model_id: str) -> None:
    model = CATALOG[model_id]
    assert problem(Path(model.chat_template).read_text(), model.tool_call_format) == ""


@pytest.mark.parametrize(
    "template",
    [
        CHAT_TEMPLATE.replace("['system', ", "["),
        "{% if messages[0].role == 'system' or messages | length > 1 %}{{ raise_exception('one') }}{% endif %}" + EACH,
        None,
    ],
    ids=["no system", "one message", "no template"],
)
def test_a_template_may_refuse_on_purpose(template: str | None) -> None:
    assert problem(template) == ""


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{% for message in messages %}", "it fails for a user's message: .*Unexpected end of template"),
        (EACH + "{{ missing.name }}", "it fails for a user's message: .*'missing' is undefined"),
        (EACH + "{{ '' | no_filter }}", "it fails for a user's message: .*No filter named 'no_filter'"),
        (EACH + "{{ raise_exception('never') }}", "it fails for a user's message: .*never"),
        (EACH + "{{ messages[1].content + 1 if messages[1] }}", "it fails for a question, an answer and a question"),
        (EACH + "{{ 1 / (messages[0].role != 'system') }}", "it fails for a system's message and a user's"),
        ("{{ bos_token }}Hello", "it leaves out what a user says"),
    ],
)
def test_a_broken_template_is_told(template: str, told: str) -> None:
    assert re.match(told, problem(template))


def test_a_template_for_tools_is_tried_with_a_call_and_its_result() -> None:
    template = EACH + "{{ tools | tojson }}"
    assert problem(template, "llama3_json") == ""
    broken = template + "{% for message in messages if message.tool_calls %}{{ message.missing.name }}{% endfor %}"
    assert problem(broken) == ""
    assert problem(broken, "llama3_json").startswith("it fails for a tool, its call and its result: ")
