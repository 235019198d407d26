"""Bridge and service each have the limits of requests: what one lets pass, the other does."""

import pytest

from bridge.validation import vllm_fields
from bridge.workers_ai import batch_requests, schema
from service.batches import request
from service.requests import bad_words, checks, request_sizes, response_format

LIMITS = {
    "messages": (schema.MAX_MESSAGES, request_sizes.MAX_MESSAGES),
    "parts": (schema.MAX_PARTS, request_sizes.MAX_PARTS),
    "calls": (schema.MAX_CALLS, request_sizes.MAX_CALLS),
    "role": (schema.MAX_ROLE_CHARACTERS, request_sizes.MAX_ROLE_CHARACTERS),
    "ids": (schema.MAX_ID_CHARACTERS, request_sizes.MAX_ID_CHARACTERS),
    "names": (schema.MAX_NAME_CHARACTERS, request_sizes.MAX_NAME_CHARACTERS),
    "tools": (schema.MAX_TOOLS, request_sizes.MAX_TOOLS),
    "descriptions": (schema.MAX_DESCRIPTION_CHARACTERS, request_sizes.MAX_DESCRIPTION_CHARACTERS),
    "stop": (schema.MAX_STOPS, checks.MAX_STOP_SEQUENCES),
    "characters of stop": (schema.MAX_STOP_CHARACTERS, checks.MAX_STOP_CHARACTERS),
    "stop_token_ids": (vllm_fields.MAX_STOP_TOKEN_IDS, checks.MAX_STOP_TOKEN_IDS),
    "bad_words": (vllm_fields.MAX_BAD_WORDS, bad_words.MAX_BAD_WORDS),
    "characters of bad_words": (vllm_fields.MAX_BAD_WORD_CHARACTERS, bad_words.MAX_BAD_WORD_CHARACTERS),
    "allowed_token_ids": (vllm_fields.MAX_ALLOWED_TOKEN_IDS, checks.MAX_ALLOWED_TOKEN_IDS),
    "logit_bias": (schema.MAX_LOGIT_BIASES, checks.MAX_LOGIT_BIASES),
    "choice": (vllm_fields.MAX_CHOICES_OF_TEXT, response_format.MAX_CHOICES),
    "items of a batch": (batch_requests.MAX_REQUESTS, request.MAX_ITEMS),
    "external_reference": (batch_requests.MAX_REFERENCE_CHARACTERS, request.MAX_REFERENCE_CHARACTERS),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_the_same_on_both_sides(limit):
    here, there = LIMITS[limit]
    assert here == there
