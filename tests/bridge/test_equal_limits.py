"""Bridge and service each have the limits of requests: what one lets pass, the other does."""

import pytest

from bridge import batches, schema, vllm_fields
from service import bad_words, batch_request, conversion, request_sizes, response_format

LIMITS = {
    "messages": (schema.MAX_MESSAGES, request_sizes.MAX_MESSAGES),
    "parts": (schema.MAX_PARTS, request_sizes.MAX_PARTS),
    "calls": (schema.MAX_CALLS, request_sizes.MAX_CALLS),
    "role": (schema.MAX_ROLE_CHARACTERS, request_sizes.MAX_ROLE_CHARACTERS),
    "ids": (schema.MAX_ID_CHARACTERS, request_sizes.MAX_ID_CHARACTERS),
    "names": (schema.MAX_NAME_CHARACTERS, request_sizes.MAX_NAME_CHARACTERS),
    "tools": (schema.MAX_TOOLS, request_sizes.MAX_TOOLS),
    "descriptions": (schema.MAX_DESCRIPTION_CHARACTERS, request_sizes.MAX_DESCRIPTION_CHARACTERS),
    "stop": (schema.MAX_STOPS, conversion.MAX_STOP_SEQUENCES),
    "characters of stop": (schema.MAX_STOP_CHARACTERS, conversion.MAX_STOP_CHARACTERS),
    "stop_token_ids": (vllm_fields.MAX_STOP_TOKEN_IDS, conversion.MAX_STOP_TOKEN_IDS),
    "bad_words": (vllm_fields.MAX_BAD_WORDS, bad_words.MAX_BAD_WORDS),
    "characters of bad_words": (vllm_fields.MAX_BAD_WORD_CHARACTERS, bad_words.MAX_BAD_WORD_CHARACTERS),
    "allowed_token_ids": (vllm_fields.MAX_ALLOWED_TOKEN_IDS, conversion.MAX_ALLOWED_TOKEN_IDS),
    "logit_bias": (schema.MAX_LOGIT_BIASES, conversion.MAX_LOGIT_BIASES),
    "choice": (vllm_fields.MAX_CHOICES_OF_TEXT, response_format.MAX_CHOICES),
    "items of a batch": (batches.MAX_REQUESTS, batch_request.MAX_ITEMS),
    "external_reference": (batches.MAX_REFERENCE_CHARACTERS, batch_request.MAX_REFERENCE_CHARACTERS),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_the_same_on_both_sides(limit):
    here, there = LIMITS[limit]
    assert here == there
