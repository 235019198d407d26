"""The service's words for fields, and the client's."""

import pytest

from bridge.upstream.field_paths import in_the_clients_words, to_json_pointer


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("sampling_params.max_tokens", "/max_tokens"),
        ("sampling_params.logit_bias[5]", "/logit_bias/5"),
        ("stop_sequences", "/stop"),
        ("stop_sequences[1]", "/stop/1"),
        ("prompt.text", "/prompt"),
        ("prompt.raw", "/raw"),
        ("conversation.raw", "/raw"),
        ("conversation.messages", "/messages"),
        ("conversation.messages[0].content[1]", "/messages/0/content/1"),
        ("conversation.messages[0].tool_calls[2].arguments_json", "/messages/0/tool_calls/2/arguments"),
        ("tools[2].name", "/tools/2/name"),
        ("tools[0].parameters_json", "/tools/0/parameters"),
        ("tool_choice.name", "/tool_choice"),
        ("tools", "/tools"),
        ("response_format.json_schema", "/response_format/json_schema"),
        ("input", "/"),
        ("", "/"),
    ],
)
def test_a_contract_path_becomes_a_json_pointer(field, pointer):
    assert to_json_pointer(field) == pointer


@pytest.mark.parametrize(
    ("message", "field", "translated"),
    [
        (
            "sampling_params.max_tokens is 9; its range is 1 to 5",
            "sampling_params.max_tokens",
            "'/max_tokens' is 9; its range is 1 to 5",
        ),
        ("stop_sequences[1] has 0 characters", "stop_sequences[1]", "'/stop/1' has 0 characters"),
        ("tools has 129 tools: send 128", "tools", "'/tools' has 129 tools: send 128"),
        ("the tools are too many, see tools[3].name.", "tools", "the tools are too many, see '/tools/3/name'."),
        ("the prompt has no tokens", "input", "the prompt has no tokens"),
        ("conversation.messages is empty: it needs 1", "", "'/messages' is empty: it needs 1"),
        ("the model's stop_sequences_of_old", "", "the model's stop_sequences_of_old"),
    ],
)
def test_paths_in_a_message_become_the_clients(message, field, translated):
    assert in_the_clients_words(message, field) == translated
