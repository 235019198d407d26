"""JSON Schemas of responses and of the items in them."""

from typing import Final

from bridge.openai.answer_schemas import LIKELY
from bridge.workers_ai.answer_schemas import COUNT, NULL, OBJECT, array_of, closed, or_null
from bridge.workers_ai.schema import OPTIONAL_STRING, STRING, Schema

NO_ENTRIES: Final[Schema] = {"type": "array", "maxItems": 0}
STATUS: Final[Schema] = {"enum": ["in_progress", "completed", "incomplete"]}
LOGPROBS: Final = array_of(closed(**LIKELY["properties"], top_logprobs=array_of(LIKELY)))
OUTPUT_TEXT: Final = closed(type={"const": "output_text"}, text=STRING, annotations=NO_ENTRIES, logprobs=LOGPROBS)
MESSAGE: Final = closed(
    id=STRING, type={"const": "message"}, status=STATUS, role={"const": "assistant"}, content=array_of(OUTPUT_TEXT)
)
FUNCTION_CALL: Final = closed(
    id=STRING, type={"const": "function_call"}, status=STATUS, call_id=STRING, name=STRING, arguments=STRING
)
REASONING_TEXT: Final = closed(type={"const": "reasoning_text"}, text=STRING)
REASONING: Final = closed(
    id=STRING, type={"const": "reasoning"}, status=STATUS, summary=NO_ENTRIES, content=array_of(REASONING_TEXT)
)
ITEM: Final[Schema] = {"anyOf": [REASONING, MESSAGE, FUNCTION_CALL]}
PART: Final[Schema] = {"anyOf": [REASONING_TEXT, OUTPUT_TEXT]}

USAGE: Final = closed(
    input_tokens=COUNT,
    input_tokens_details=closed(cached_tokens=COUNT, cache_write_tokens=COUNT),
    output_tokens=COUNT,
    output_tokens_details=closed(reasoning_tokens=COUNT),
    total_tokens=COUNT,
)
RESPONSE: Final = closed(
    id=STRING,
    object={"const": "response"},
    created_at=COUNT,
    status={"enum": ["in_progress", "completed", "incomplete", "failed"]},
    completed_at={"type": ["integer", "null"]},
    error=or_null(closed(code=STRING, message=STRING)),
    incomplete_details=or_null(closed(reason={"const": "max_output_tokens"})),
    model=STRING,
    output=array_of(ITEM),
    usage=or_null(USAGE),
    background={"const": False},
    previous_response_id=NULL,
    service_tier={"const": "default"},
    store={"const": False},
    instructions=OPTIONAL_STRING,
    max_output_tokens={"type": ["integer", "number", "null"]},
    max_tool_calls={"type": ["integer", "number", "null"]},
    prompt_cache_key=OPTIONAL_STRING,
    safety_identifier=OPTIONAL_STRING,
    metadata={"type": "object", "additionalProperties": STRING},
    parallel_tool_calls={"type": "boolean"},
    reasoning=closed(effort=OPTIONAL_STRING, summary=NULL),
    temperature={"type": ["number", "null"]},
    text=closed(format=OBJECT, verbosity=STRING),
    tool_choice={"type": ["string", "object"]},
    tools=array_of(OBJECT),
    top_logprobs={"type": "number"},
    top_p={"type": ["number", "null"]},
    truncation={"enum": ["auto", "disabled"]},
    user=OPTIONAL_STRING,
)
