"""The requests of Cloudflare's documentation, letter for letter.

Sources: developers.cloudflare.com/workers-ai/models/text-generation/ as of April 2024, and
blog.cloudflare.com/workers-ai-streaming. A test replaces the host and the account, nothing else.
"""

HOST = "https://api.cloudflare.com"
MODEL = "@cf/meta/llama-2-7b-chat-int8"

CURL_MESSAGES = r"""
curl https://api.cloudflare.com/client/v4/accounts/{ACCOUNT_ID}/ai/run/@cf/meta/llama-2-7b-chat-int8 \
-X POST \
-H "Authorization: Bearer {API_TOKEN}" \
-d '{ "messages": [{ "role": "system", "content": "You are a friendly assistant" }, { "role": "user", "content": "Why is pizza so good" }]}'
"""  # noqa: E501

CURL_MESSAGES_STREAM = r"""
curl https://api.cloudflare.com/client/v4/accounts/{ACCOUNT_ID}/ai/run/@cf/meta/llama-2-7b-chat-int8 \
-X POST \
-H "Authorization: Bearer {API_TOKEN}" \
-d '{ "stream": true, "messages": [{ "role": "system", "content": "You are a friendly assistant" }, { "role": "user", "content": "Why is pizza so good?" }]}'
"""  # noqa: E501

CURL_PROMPT_STREAM = r"""
curl -X POST \
"https://api.cloudflare.com/client/v4/accounts/<account>/ai/run/@cf/meta/llama-2-7b-chat-int8" \
-H "Authorization: Bearer {API_TOKEN}" \
-H "Content-Type:application/json" \
-d '{ "prompt": "where is new york?", "stream": true }'
"""

CURL_PROMPT_STREAM_OF_THE_BLOG = r"""
curl -X POST \
"https://api.cloudflare.com/client/v4/accounts/<account>/ai/run/@cf/meta/llama-2-7b-chat-int8" \
-H "Authorization: Bearer <token>" \
-H "Content-Type:application/json" \
-d '{ "prompt": "where is new york?", "stream": true }'
"""

PYTHON = """
import requests
API_BASE_URL = "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/run/"
headers = {"Authorization": "Bearer {API_TOKEN}"}
def run(model, prompt):
    input = {
        "messages": [
            { "role": "system", "content": "You are a friendly assistant" },
            { "role": "user", "content": prompt }
        ]
    }
    response = requests.post(f"{API_BASE_URL}{model}", headers=headers, json=input)
    return response.json()
output = run("@cf/meta/llama-2-7b-chat-int8", "Tell me a story")
print(output)
"""

FETCH = """
async function run(model, prompt) {
const messages = [
{ role: 'system', content: 'You are a friendly assistant' },
{ role: 'user', content: prompt }
];
const response = await fetch(
`https://api.cloudflare.com/client/v4/accounts/{ACCOUNT_ID}/ai/run/${model}`,
{
headers: { Authorization: "Bearer {API_TOKEN}" },
method: "POST",
body: JSON.stringify({ messages }),
}
);
const result = await response.json();
return result;
}
run('@cf/meta/llama-2-7b-chat-int8', 'Tell me a story').then((response) => {
console.log(JSON.stringify(response));
});
"""

WORKER_STREAMED = """
import { Ai } from '@cloudflare/ai'
export interface Env {
AI: any;
}
export default {
async fetch(request: Request, env: Env) {
const ai = new Ai(env.AI);
const messages = [
{ role: 'system', content: 'You are a friendly assistant' },
{ role: 'user', content: 'What is the origin of the phrase Hello, World' }
];
const stream = await ai.run('@cf/meta/llama-2-7b-chat-int8', {
messages,
stream: true
});
return new Response(
stream,
{ headers: { "content-type": "text/event-stream" } }
);
},
};
"""

WORKER_WHOLE = """
import { Ai } from '@cloudflare/ai'
export interface Env {
AI: any;
}
export default {
async fetch(request: Request, env: Env) {
const ai = new Ai(env.AI);
const messages = [
{ role: 'system', content: 'You are a friendly assistant' },
{ role: 'user', content: 'What is the origin of the phrase Hello, World' }
];
const response = await ai.run('@cf/meta/llama-2-7b-chat-int8', { messages });
return Response.json(response);
},
};
"""

WORKER_OF_THE_BLOG = """
import { Ai } from "@cloudflare/ai";
export default {
async fetch(request, env, ctx) {
const ai = new Ai(env.AI, { sessionOptions: { ctx: ctx } });
const stream = await ai.run(
"@cf/meta/llama-2-7b-chat-int8",
{ prompt: "where is new york?", stream: true }
);
return new Response(stream,
{ headers: { "content-type": "text/event-stream" } }
);
}
}
"""

EVENT_SOURCE = """
const source = new EventSource("/"); // Workers AI streaming endpoint
source.onmessage = (event) => {
if (event.data == "[DONE]") {
source.close();
return;
}
const data = JSON.parse(event.data);
el.innerHTML += data.response;
}
"""

EVENT_SOURCE_OF_THE_BLOG = """
const source = new EventSource("/worker-endpoint");
source.onmessage = (event) => {
if(event.data=="[DONE]") {
// SSE spec says the connection is restarted
// if we don't explicitly close it
source.close();
return;
}
const data = JSON.parse(event.data);
el.innerHTML += data.response;
}
"""


def without_a_package(worker: str) -> str:
    """A Worker of the documentation, asking `env.AI` itself, as Workers do since `@cloudflare/ai` is deprecated."""
    package = ("import { Ai } ", "const ai = ")
    kept = [line for line in worker.splitlines() if not line.startswith(package)]
    return "\n".join(kept).replace("ai.run(", "env.AI.run(")


def at(url: str, example: str) -> str:
    """The example, asking this host."""
    return example.replace(HOST, url)
