"""The operations of Workers AI: its REST API, and what its binding asks for."""

from typing import Final

from bridge.openapi import answers
from bridge.openapi.answers import EVENTS, JSON
from bridge.openapi.operation import ACCOUNT, ASKED, BOUND, GENERATING, MODEL, Operation, header, query
from bridge.openapi.responses import RESPONSE_EVENTS
from bridge.workers_ai.answer_schemas import COUNT, NULL, OBJECT, array_of, closed
from bridge.workers_ai.binding import HOST, MODELS_PATH, RUN_PATHS
from bridge.workers_ai.model_rows import CREATED_AT, TASK
from bridge.workers_ai.model_search import MAX_PER_PAGE
from bridge.workers_ai.schema import FIELDS, STRING, Schema
from bridge.workers_ai.token_check import MESSAGE as TOKEN_IS_GOOD

# Those of responses have names, and no `[DONE]`.
RUN_EVENTS: Final[Schema] = {"anyOf": [answers.NATIVE_EVENTS, RESPONSE_EVENTS]}

REST: Final = "Workers AI"
BINDING: Final = "Worker binding"

UUID: Final[Schema] = {"type": "string", "format": "uuid"}
TASK_ROW: Final = closed(**{name: {"const": value} for name, value in TASK.items()})
MODEL_ROW: Final = closed(
    id=UUID,
    source={"enum": [1, 2]},
    name=STRING,
    description=STRING,
    task=TASK_ROW,
    created_at={"const": CREATED_AT},
    tags=answers.NOTHING,
    properties=array_of(closed(property_id=STRING, value=STRING)),
)
OPENROUTER_ROW: Final = closed(
    id=STRING,
    name=STRING,
    created=COUNT,
    hugging_face_id=NULL,
    context_length=COUNT,
    max_output_length=COUNT,
    input_modalities=array_of(STRING),
    output_modalities=array_of(STRING),
    pricing=closed(prompt=STRING, completion=STRING),
    supported_features=array_of(STRING),
    supported_sampling_parameters=array_of({"enum": list(FIELDS)}),
)
PAGE: Final = closed(count=COUNT, page=COUNT, per_page=COUNT, total_count=COUNT)
ROWS: Final = answers.envelope(array_of(MODEL_ROW), result_info=PAGE)
OPENROUTER_ROWS: Final = closed(data=array_of(OPENROUTER_ROW), result_info=PAGE)

SEARCH: Final = (
    query("search", "What stands in a model's name, description or task.", type="string"),
    query("task", "The name or id of the task.", type="string"),
    query("author", "Who has made the model.", type="string"),
    query("source", "The number of the catalog's part.", type="integer", minimum=1, maximum=10**9),
    query(
        "page",
        "Which page, counted from 1; after the last one they are empty.",
        type="integer",
        minimum=1,
        maximum=10**9,
    ),
    query("per_page", "How many models a page has.", type="integer", minimum=1, maximum=MAX_PER_PAGE),
    query("format", "The form of the answer, if not Cloudflare's.", enum=["openrouter"]),
    query("hide_experimental", "Whether to leave out models in beta.", enum=["true", "false"]),
    query("include_deprecated", "Whether to list models that Cloudflare has retired.", enum=["true", "false"]),
)

MODEL_HEADER: Final = header("cf-consn-model-id", "The model, after a prefix and a colon if it has one.", **MODEL)

BINDING_ERROR: Final[Schema] = {"anyOf": [answers.FLAT_ERROR, answers.BINDING_GATEWAY_ERROR]}

TOKENS: Final = tuple(
    Operation(
        path=path,
        name=name,
        tag=REST,
        summary="Says that the request's token is good.",
        answers={
            JSON: answers.envelope(
                closed(id=STRING, status={"const": "active"}),
                closed(**{key: {"const": value} for key, value in TOKEN_IS_GOOD.items()}),
            )
        },
    )
    for path, name in (
        ("/client/v4/user/tokens/verify", "verifyUserToken"),
        (f"{ACCOUNT}/tokens/verify", "verifyAccountToken"),
    )
)

RUNS: Final = tuple(
    Operation(
        method="post",
        path=path,
        name=name,
        tag=BINDING,
        summary="Generates text for `env.AI.run()`; answers have no envelope.",
        parameters=(*parameters, MODEL_HEADER),
        body=BOUND,
        answers={JSON: answers.RESULT, EVENTS: RUN_EVENTS},
        errors=GENERATING,
        error=BINDING_ERROR,
    )
    for path, name, *parameters in (
        *(
            (
                path,
                path.strip("/").replace("/", "-"),
                query(
                    "version",
                    "The binding's version. With 2, which only @cloudflare/ai 1.1 sends, whole answers are compressed.",
                    is_required=True,
                    enum=["3"],
                ),
            )
            for path in sorted(RUN_PATHS)
        ),
        (
            f"{ACCOUNT}/ai/run/proxy",
            "relay",
            header(
                "x-forwarded",
                "What the binding asked for.",
                enum=[f"https://{HOST}{path}?version=3" for path in sorted(RUN_PATHS)],
            ),
        ),
    )
)

OPERATIONS: Final = (
    Operation(
        method="post",
        path=f"{ACCOUNT}/ai/run/{{model}}",
        name="run",
        tag=REST,
        summary="Generates text, whole or, with `stream`, as server-sent events; takes batches and tells results.",
        parameters=(query("queueRequest", "Whether the body is a batch.", enum=["true", "false"]),),
        body=ASKED,
        answers={JSON: answers.envelope(answers.RESULT), EVENTS: RUN_EVENTS},
        errors=GENERATING,
    ),
    Operation(
        path=f"{ACCOUNT}/ai/models/search",
        name="searchModels",
        tag=REST,
        summary="Lists the models.",
        parameters=SEARCH,
        answers={JSON: {"anyOf": [ROWS, OPENROUTER_ROWS]}},
    ),
    Operation(
        path=f"{ACCOUNT}/ai/models/schema",
        name="schemaOfModel",
        tag=REST,
        summary="Tells a model's input and output as JSON Schema.",
        parameters=(query("model", "The model.", is_required=True, **MODEL),),
        answers={JSON: answers.envelope(closed(input=OBJECT, output=OBJECT))},
    ),
    Operation(
        path=f"{ACCOUNT}/ai/tasks/search",
        name="searchTasks",
        tag=REST,
        summary="Lists the one task that there is.",
        answers={JSON: answers.envelope(array_of(TASK_ROW))},
    ),
    Operation(
        path=MODELS_PATH,
        name="searchModelsForBinding",
        tag=BINDING,
        summary="Lists the models for `env.AI.models()`.",
        parameters=SEARCH,
        answers={JSON: {"anyOf": [ROWS, OPENROUTER_ROWS]}},
    ),
    Operation(
        path=f"{ACCOUNT}/ai/run/proxy",
        name="relayModels",
        tag=BINDING,
        summary="Relays `env.AI.models()` for older wrangler.",
        parameters=(header("x-forwarded", "What the binding asked for.", enum=[f"https://{HOST}{MODELS_PATH}"]),),
        answers={JSON: {"anyOf": [ROWS, OPENROUTER_ROWS]}},
        error=BINDING_ERROR,
    ),
    *TOKENS,
    *RUNS,
)
