"""Values that the TypeScript client's fields can't hold: each is refused before it is sent, by its field's name."""

import pytest
from runstream.v1 import text_generation_pb2 as pb

HALF = '"\\ud800"'
# By what a field takes, what it does not.
TEXT = ["5", "null", "{}", "[]", "true", "Symbol('a')", HALF]
NUMBER = ['"5"', "null", "{}", "[]", "true", "5n"]
INTEGER = [*NUMBER, "1.5", "NaN", "2 ** 31"]
FLAG = ['"true"', "1", "null", "{}"]
LIST = ["5", "null", "{}", "true"]
TEXTS = [*LIST, "[5]", "[null]", f"[{HALF}]", "new Map([[1, 2]])"]
INTEGERS = [*LIST, '"12"', '["1"]', "[1.5]", "[null]", "new Map([[1, 2]])"]
OBJECT = ["5", "null", '"abc"', "[]", "new Map()", "new Date(0)"]
SCHEMA = [*OBJECT[:2], "[]", "new Map()", "5n", HALF, "{ minimum: 5n }", "circular", "z.date()"]

OPTIONS = {
    "prompt": TEXT,
    "messages": [*LIST, '"abc"', "[null]", "[5]", '["abc"]', "new Map([[1, 2]])"],
    "promptTokenIds": INTEGERS,
    "raw": FLAG,
    "addGenerationPrompt": FLAG,
    "continueFinalMessage": FLAG,
    "tools": [*LIST, '"abc"', "[null]", "[5]", "[[]]"],
    "toolChoice": ["5", "null", "{}", '{ type: "function", function: null }', HALF],
    "truncatePromptTokens": INTEGER,
    "chatTemplateKwargs": [*OBJECT, "{ a: 5n }"],
    "reasoningEffort": TEXT,
    "maxTokens": INTEGER,
    "maxTokensIsDefault": FLAG,
    "temperature": NUMBER,
    "topK": INTEGER,
    "topP": NUMBER,
    "minP": NUMBER,
    "repetitionPenalty": NUMBER,
    "frequencyPenalty": NUMBER,
    "presencePenalty": NUMBER,
    "seed": [*(value for value in NUMBER if value != "5n"), '"abc"', "1.5", "2 ** 53", "2n ** 63n"],
    "logitBias": [*OBJECT, "new Map([[1, 2]])", "{ 1.5: 1 }", "{ a: 1 }", '{ 1: "1" }', f"{{ {2**31}: 1 }}"],
    "minTokens": INTEGER,
    "ignoreEos": FLAG,
    "topLogprobs": INTEGER,
    "badWords": [*TEXTS, '"abc"'],
    "allowedTokenIds": INTEGERS,
    "topPromptLogprobs": INTEGER,
    "stopSequences": [*TEXTS, HALF],
    "includeStopSequence": FLAG,
    "stopTokenIds": INTEGERS,
    "priority": ['"toString"', '"__proto__"', '"high"', "5", "null"],
    "cacheSalt": TEXT,
    "lora": TEXT,
    "responseFormat": [
        *SCHEMA,
        f"new rs.Regex({HALF})",
        "new rs.Regex(5)",
        "new rs.Choice(5)",
        '{ type: "json_schema" }',
        '{ type: "json_schema", json_schema: { schema: 5 } }',
    ],
    "timeoutS": [*NUMBER, "0"],
    "signal": ["{}", "null", "5", "new AbortController()"],
    "waitForReady": FLAG,
    "requestId": [*TEXT, '"a b"'],
}
MESSAGE = {
    "role": TEXT,
    "content": ["5", "{}", "[5]", "[{}]", '[{ type: "image_url" }]', HALF, f"[{HALF}]", f"[{{ text: {HALF} }}]"],
    "toolCalls": ["5", "{}", '"abc"', "[null]", "[{}]", "[{ name: 5 }]", '[{ name: "f", argumentsJson: {} }]'],
    "tool_calls": ["5", "[{ function: 5 }]", "[{ function: {} }]", '[{ function: { name: "f", arguments: {} } }]'],
    "toolCallId": ["5", "{}", HALF],
    "tool_call_id": ["5", "{}", HALF],
    "name": ["5", "{}", HALF],
    "reasoningContent": ["5", "{}", HALF],
    "reasoning_content": ["5", "{}", HALF],
}
TOOL = {
    "type": ['"web_search"', "5"],
    "function": OBJECT,
    "name": TEXT,
    "description": ["5", "{}", HALF],
    "parameters": SCHEMA,
}
CLIENT = {
    "target": [*TEXT, '"gpu"'],
    "baseUrl": TEXT,
    "token": ["5", "{}", HALF],
    "tls": ['"yes"', "1", "null"],
    "ca": ["5", "{}", "null", '"ca.pem"'],
    "allowPlaintextToken": FLAG,
    "timeoutS": NUMBER,
    "waitForReady": FLAG,
    "maxAttempts": [*INTEGER, "0", "6"],
    "account": TEXT,
}
WAIT = {
    "onProgress": ["5", "{}"],
    "pollS": [*NUMBER, "0"],
    "timeoutS": [*NUMBER, "-1"],
    "signal": ["{}", "5"],
}


def each(fields, call):
    """Pairs of a field and a call, as `call` makes it of the field with a value that it can't hold."""
    return [(field, call(field, value)) for field, values in fields.items() for value in values]


def run(field, value):
    """A call of `run` with an option, and a prompt that it goes with."""
    others = {
        "prompt": "",
        "messages": "",
        "promptTokenIds": "",
        "addGenerationPrompt": 'messages: [{ role: "user", content: "a" }],',
        "continueFinalMessage": 'messages: [{ role: "user", content: "a" }],',
    }
    return f'client.run({{ model: "m", {others.get(field, "prompt: `a`,")} {field}: {value} }})'


def create(options):
    """A call that makes a batch."""
    return f'client.batches.create({{ model: "m", {options} }})'


CALLS = [
    *each(OPTIONS, run),
    *each({"model": TEXT}, lambda field, value: f'client.run({{ prompt: "a", {field}: {value} }})'),
    *each(MESSAGE, lambda field, value: run("messages", f'[{{ role: "u", content: "", {field}: {value} }}]')),
    *each(TOOL, lambda field, value: run("tools", f'[{{ name: "f", {field}: {value} }}]')),
    *each(CLIENT, lambda field, value: f"new rs.Client({{ {field}: {value} }})"),
    *each(WAIT, lambda field, value: f'client.batches.wait("b", {{ {field}: {value} }})'),
    *each({"items": [*LIST, '"abc"', "[5]", "[null]", "[[]]"]}, lambda _, value: create(f"items: {value}")),
    *each({"externalReference": TEXT}, lambda field, value: create(f'items: [{{ prompt: "a", {field}: {value} }}]')),
    *each({"requestId": TEXT}, lambda field, value: create(f'items: ["a"], {field}: {value}')),
    *each({"batchId": TEXT}, lambda _, value: f"client.batches.get({value})"),
    *each({"batchId": TEXT}, lambda _, value: f"client.batches.results({value}).next()"),
    *each({"model": TEXT}, lambda _, value: f"client.models.load({value})"),
    *each({"pageSize": INTEGER}, lambda field, value: f"client.models.list({{ {field}: {value} }}).next()"),
    *each({"pageSize": INTEGER}, lambda field, value: f"client.batches.list({{ {field}: {value} }}).next()"),
    *each({"run": ["", *OBJECT]}, lambda _, value: f"client.run({value})"),
    *each({"stream": ["", *OBJECT]}, lambda _, value: f"client.stream({value})"),
    *each({"countTokens": ["", *OBJECT]}, lambda _, value: f"client.countTokens({value})"),
    *each({"create": ["", *OBJECT]}, lambda _, value: f"client.batches.create({value})"),
    *each({"Client": OBJECT}, lambda _, value: f"new rs.Client({value})"),
]


async def test_what_a_field_can_not_hold_is_refused_by_its_name(ask_fake, fake):
    calls = ", ".join(f"async () => {call}" for _, call in CALLS)
    found = await ask_fake(
        'const { z } = await import("zod"); const circular = {}; circular.self = circular;'
        f"const errors = []; for (const call of [{calls}]) errors.push(await name(call));"
        "return errors.map((error) => [error.name, error.message]);"
    )
    wrong = [
        (call, error)
        for (field, call), error in zip(CALLS, found, strict=True)
        if error[0] != "TypeError" or field not in error[1]
    ]
    assert wrong == []
    assert fake.requests == []


@pytest.mark.parametrize("message", ['{ role: "user" }', '{ role: "assistant", content: null, toolCalls: [] }'])
def test_a_message_that_says_nothing_is_refused(ask, message):
    error = f'(await name(() => rs.makeRequest({{ model: "m", messages: [{message}] }}))).message'
    assert ask(f"return {error};") == 'messages[0] has neither content nor toolCalls: give "" for no text'


NAMED = '{ name: "f" }'
CALL = 'role: "assistant", tool_calls: [{ function: { name: "f", arguments: "{}" }'
IGNORED = [
    ("responseFormat", '{ type: "json_object", json_schema: {} }', 'responseFormat takes no "json_schema"'),
    ("responseFormat", '{ type: "text", json_schema: {} }', 'responseFormat takes no "json_schema"'),
    (
        "responseFormat",
        '{ type: "json_schema", json_schema: { name: "n", shema: {} } }',
        'responseFormat.json_schema takes no "shema"',
    ),
    (
        "responseFormat",
        '{ type: "json_schema", json_schema: { schema: {}, srict: true } }',
        'responseFormat.json_schema takes no "srict"',
    ),
    (
        "toolChoice",
        f'{{ type: "nope", function: {NAMED} }}',
        'toolChoice.type is "nope": models here call functions only',
    ),
    ("toolChoice", f'{{ type: "function", function: {NAMED}, name: "g" }}', 'toolChoice takes no "name"'),
    ("toolChoice", '{ function: { name: "f", strict: true } }', 'toolChoice.function takes no "strict"'),
    ("messages", f'[{{ {CALL}, name: "g" }}] }}]', 'messages[0].tool_calls[0] takes no "name"'),
    ("messages", f'[{{ {CALL}, argumentsJson: "" }}] }}]', 'messages[0].tool_calls[0] takes no "argumentsJson"'),
    ("messages", f'[{{ {CALL}, type: "custom" }}] }}]', 'messages[0].tool_calls[0].type is "custom"'),
    (
        "messages",
        '[{ role: "assistant", tool_calls: [{ function: { name: "f", args: "{}" } }] }]',
        'messages[0].tool_calls[0].function takes no "args"',
    ),
    ("messages", f"[{{ {CALL} }}], toolCalls: [] }}]", "messages[0] has toolCalls and tool_calls, which mean the same"),
    (
        "messages",
        '[{ role: "tool", content: "", toolCallId: "", tool_call_id: "1" }]',
        "messages[0] has toolCallId and tool_call_id, which mean the same",
    ),
    (
        "messages",
        '[{ role: "user", content: [{ type: "text", text: "a", cache_control: {} }] }]',
        'messages[0].content[0] takes no "cache_control"',
    ),
]


def test_what_would_be_ignored_is_refused(ask):
    made = ", ".join(run(field, value).replace("client.run", "() => rs.makeRequest") for field, value, _ in IGNORED)
    told = ask(
        f"const told = []; for (const make of [{made}]) told.push((await name(make)).message ?? ''); return told;"
    )
    assert [message[: len(words)] for message, (*_, words) in zip(told, IGNORED, strict=True)] == [
        words for *_, words in IGNORED
    ]


@pytest.mark.parametrize("described", ['{ name: "n", strict: true, schema }', "{ schema }", "schema"])
def test_a_form_may_have_openai_s_envelope_or_none(ask, described):
    form = f'{{ type: "json_schema", json_schema: {described} }}'
    assert ask(
        'const schema = { type: "object" };'
        f'return rs.makeRequest({{ model: "m", prompt: "p", responseFormat: {form} }}).responseFormat.format.value;'
    ) == '{"type":"object"}'  # fmt: skip


async def test_what_a_field_can_hold_is_sent(ask_fake, fake):
    await ask_fake(
        'await client.run({ model: "m", promptTokenIds: new Int32Array([1, 2]), badWords: new Set(["a"]),'
        ' seed: 2n ** 62n, logitBias: { 7: -1.5 }, priority: "batch", stopSequences: "😀", temperature: 0,'
        " raw: undefined });"
    )
    assert fake.request == pb.RunRequest(
        model="m",
        prompt_token_ids=pb.TokenIds(values=[1, 2]),
        sampling_params=pb.SamplingParams(bad_words=["a"], seed=2**62, logit_bias={7: -1.5}, temperature=0),
        priority=pb.PRIORITY_BATCH,
        stop_sequences=["😀"],
    )


async def test_a_message_may_have_what_openai_leaves_empty(ask_fake, fake):
    call = '{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }'
    empty = "tool_call_id: null, toolCalls: null, toolCallId: null, name: null"
    message = f'{{ role: "assistant", content: null, tool_calls: [{call}], {empty} }}'
    await ask_fake(f'await client.run({{ model: "m", messages: [{message}] }});')
    (sent,) = fake.request.conversation.messages
    assert sent == pb.Message(role="assistant", tool_calls=[pb.ToolCall(id="1", name="f", arguments_json="{}")])


async def test_schemas_that_zod_makes_are_parameters_and_forms(ask_fake, fake):
    await ask_fake(
        'const { z } = await import("zod"); const City = z.object({ name: z.string().max(30) });'
        'const tools = [{ name: "f", parameters: City }, { name: "g", parameters: z.toJSONSchema(City) }];'
        'await client.run({ model: "m", prompt: "a", tools, responseFormat: z.toJSONSchema(City) });'
    )
    typed, made = (tool.parameters_json for tool in fake.request.tools)
    assert '"maxLength":30' in typed
    assert '"maxLength":30' in made
    assert fake.request.response_format.json_schema == made
