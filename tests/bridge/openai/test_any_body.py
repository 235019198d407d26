"""Whatever JSON comes over OpenAI's routes is a request or refused with a reason."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AiError
from bridge.openai.responses.schema import RESPONSES_SCHEMA
from bridge.openai.schema import CHAT_SCHEMA, COMPLETION_SCHEMA
from bridge.workers_ai.schema import Schema
from tests.support.json_bodies import JSON
from tests.support.openai_asking import CHAT, COMPLETION, RESPONSE, parse_chat, parse_completion, parse_responses

PARSERS: dict[Any, tuple[dict[str, Any], Schema]] = {
    parse_chat: (CHAT, CHAT_SCHEMA),
    parse_completion: (COMPLETION, COMPLETION_SCHEMA),
    parse_responses: (RESPONSE, RESPONSES_SCHEMA),
}


@pytest.mark.parametrize("parse", PARSERS)
@given(data=st.data())
def test_a_body_is_a_question_or_refused(parse, data):
    valid, schema = PARSERS[parse]
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(schema["properties"])), JSON, max_size=4))
    with contextlib.suppress(AiError):
        assert parse(json.dumps({**valid, **changes}).encode()).request.model


@pytest.mark.parametrize("parse", PARSERS)
@given(body=JSON)
def test_what_is_no_body_at_all_is_refused(parse, body):
    with pytest.raises(AiError) as caught:
        parse(json.dumps(body).encode())
    assert caught.value.rule.status == 400


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"seed":1e999}', b'{"n":NaN}'])
def test_what_is_no_json_is_refused(parse, body):
    with pytest.raises(AiError) as caught:
        parse(body)
    assert caught.value.rule.status == 400
