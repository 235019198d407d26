"""Bridge and service each have the limits of requests: what one lets pass, the other does."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from accounts.tokens import ACCOUNT_PATTERN
from bridge.workers_ai.schema import FIELDS
from service.batches.request import MAX_ACCOUNT_CHARACTERS
from service.requests.checks import check_request
from tests.support.running_service import ask

ROOT = Path(__file__).parents[2]

# Where requests are bounded. Each limit there is named below, by the last two parts of its module and its own name.
PLACES = (
    *("bridge/http/body.py", "bridge/openai", "bridge/upstream", "bridge/validation", "bridge/workers_ai"),
    *("service/batches", "service/requests", "service/rpc/request_message.py", "service/rpc/http2.py"),
)

ON_BOTH_SIDES = [
    ("workers_ai.schema.MAX_MESSAGES", "requests.request_sizes.MAX_MESSAGES"),
    ("workers_ai.content_parts.MAX_PARTS", "requests.request_sizes.MAX_PARTS"),
    ("workers_ai.schema.MAX_CALLS", "requests.request_sizes.MAX_CALLS"),
    ("workers_ai.schema.MAX_ROLE_CHARACTERS", "requests.request_sizes.MAX_ROLE_CHARACTERS"),
    ("workers_ai.schema.MAX_ID_CHARACTERS", "requests.request_sizes.MAX_ID_CHARACTERS"),
    ("workers_ai.schema.MAX_NAME_CHARACTERS", "requests.request_sizes.MAX_NAME_CHARACTERS"),
    ("workers_ai.schema.MAX_TOOLS", "requests.request_sizes.MAX_TOOLS"),
    ("workers_ai.schema.MAX_DESCRIPTION_CHARACTERS", "requests.request_sizes.MAX_DESCRIPTION_CHARACTERS"),
    ("workers_ai.schema.MAX_LORA_CHARACTERS", "requests.adapters.MAX_NAME_CHARACTERS"),
    ("workers_ai.schema.MAX_STOPS", "requests.checks.MAX_STOP_SEQUENCES"),
    ("workers_ai.schema.MAX_STOP_CHARACTERS", "requests.checks.MAX_STOP_CHARACTERS"),
    ("workers_ai.schema.MAX_LOGIT_BIASES", "requests.checks.MAX_LOGIT_BIASES"),
    ("validation.vllm_fields.MAX_STOP_TOKEN_IDS", "requests.checks.MAX_STOP_TOKEN_IDS"),
    ("validation.vllm_fields.MAX_ALLOWED_TOKEN_IDS", "requests.checks.MAX_ALLOWED_TOKEN_IDS"),
    ("validation.vllm_fields.MAX_CACHE_SALT_CHARACTERS", "requests.checks.MAX_CACHE_SALT_CHARACTERS"),
    ("validation.vllm_fields.MAX_EFFORT_CHARACTERS", "requests.reasoning.MAX_EFFORT_CHARACTERS"),
    ("validation.vllm_fields.MAX_BAD_WORDS", "requests.bad_words.MAX_BAD_WORDS"),
    ("validation.vllm_fields.MAX_BAD_WORD_CHARACTERS", "requests.bad_words.MAX_BAD_WORD_CHARACTERS"),
    ("validation.vllm_fields.MAX_CHOICES_OF_TEXT", "requests.response_format.MAX_CHOICES"),
    ("validation.vllm_fields.MAX_FORM_CHARACTERS", "requests.response_format._MAX_CHOICE_CHARACTERS"),
    ("validation.vllm_fields.MAX_FORM_CHARACTERS", "requests.json_text.MAX_SCHEMA_CHARACTERS"),
    ("workers_ai.batch_requests.MAX_REQUESTS", "batches.request.MAX_ITEMS"),
    ("workers_ai.batch_requests.MAX_REFERENCE_CHARACTERS", "batches.request.MAX_REFERENCE_CHARACTERS"),
    ("http.body.MAX_BODY_BYTES", "requests.request_sizes.MAX_PROMPT_CHARACTERS"),
    ("upstream.channel.MAX_MESSAGE_BYTES", "rpc.http2.MAX_MESSAGE_BYTES"),
]

# Limits of what only HTTP and JSON have, or only gRPC, and of work that one side alone does.
ON_ONE_SIDE = {
    *(
        "http.body.MAX_VALUES",
        "http.body.MAX_DIGITS",
        "http.body.MAX_INLINE_BYTES",
        "workers_ai.request.MAX_BATCH_BYTES",
    ),
    *("openai.schema.MAX_CHOICES", "openai.schema.MAX_PROMPT_TOKENS", "workers_ai.batch_requests.MAX_BATCH_VALUES"),
    *("responses.schema.MAX_METADATA", "responses.schema.MAX_METADATA_KEY_CHARACTERS"),
    *("responses.schema.MAX_METADATA_CHARACTERS", "responses.schema.MAX_FORMAT_NAME_CHARACTERS"),
    "responses.schema.MAX_INCLUDES",
    *("validation.violations.MAX_VIOLATIONS", "validation.violations.MAX_STEP_CHARACTERS"),
    *("workers_ai.batch_requests.MAX_VIOLATIONS", "batches.request._MAX_VIOLATIONS"),
    *("workers_ai.model_search.MAX_PER_PAGE", "workers_ai.model_search.MAX_DIGITS", "batches.pages.MAX_PAGE_SIZE"),
    *("requests.request_sizes.MAX_ALL_PARTS", "requests.request_sizes.MAX_ALL_CALLS"),
    *("requests.prompt.MAX_PROMPT_TOKEN_IDS", "requests.prompt.MAX_PROMPT_LOGPROBS"),
    *("requests.json_text.MAX_DEPTH", "requests.response_format._MAX_REGEX_CHARACTERS"),
    *("requests.reasoning.MAX_KWARGS_CHARACTERS", "requests.reasoning.MAX_KWARGS_DEPTH"),
    *("requests.tools.MAX_TOOLS_CHARACTERS", "batches.request.MAX_ACCOUNT_CHARACTERS"),
    *("batches.batches._MAX_INLINE_BYTES", "batches.lane._MAX_RECENT_DEATHS", "batches.store.MAX_WAITING_ITEMS"),
    *("upstream.rate_limits.MAX_REMEMBERED", "upstream.room.MAX_REMEMBERED", "batches.turns._MAX_REMEMBERED"),
    *("requests.python_arguments._MAX_OPTIONS", "requests.python_arguments._MAX_COPIED"),
    "upstream.reading.MAX_READ_AHEAD",
    *("rpc.http2.MAX_METADATA_BYTES", "rpc.http2.MAX_IDLE_MS", "rpc.http2.MAX_UNTAKEN_S"),
    *("batches.store._MAX_SHOWN_CHARACTERS", "rpc.request_message.MAX_OTHER_FIELDS", "rpc.request_message.MAX_FIELDS"),
}


def constants(source: Path) -> list[str]:
    """The names of a module's constants that begin with MAX_."""
    lines = re.findall(r"^(_?MAX_[\w, ]+)(?:: .+)? = ", source.read_text(), re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def limits() -> dict[str, Any]:
    """The limits of requests, by the names that they have here."""
    paths = [ROOT / place for place in PLACES]
    sources = [source for path in paths for source in ([path] if path.is_file() else path.rglob("*.py"))]
    found: dict[str, Any] = {}
    for source in sources:
        parts = source.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(parts))
        found |= {".".join((*parts[-2:], name)): getattr(module, name) for name in constants(source)}
    return found


LIMITS = limits()
BOUNDS = [(name, field[bound]) for name, field in FIELDS.items() for bound in ("minimum", "maximum") if bound in field]


@pytest.mark.parametrize(("here", "there"), ON_BOTH_SIDES)
def test_a_limit_is_the_same_on_both_sides(here, there):
    assert LIMITS[here] == LIMITS[there]


def test_every_limit_is_known_to_stand_on_both_sides_or_on_one():
    both = {name for names in ON_BOTH_SIDES for name in names}
    assert LIMITS.keys() == both | ON_ONE_SIDE
    assert not both & ON_ONE_SIDE


@pytest.mark.parametrize(("name", "bound"), BOUNDS)
def test_the_service_lets_pass_the_numbers_that_the_bridge_does(name, bound):
    check_request(ask(**{name: bound}))


def test_the_service_lets_pass_the_longest_account_of_the_bridge():
    longest = "a" * MAX_ACCOUNT_CHARACTERS
    assert re.match(ACCOUNT_PATTERN, longest)
    assert not re.match(ACCOUNT_PATTERN, f"{longest}a")
