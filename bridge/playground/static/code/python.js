// @ts-check
/** The request as a script of Python. */

import { endpointOf, isNativeText, isText, nativeBody, noteOf, noteOfLogprobs, openAiBase } from "./endpoint.js";
import { Code, pythonCall } from "./literals.js";
import { openAiRequest } from "./openai_body.js";

/** @typedef {import("./endpoint.js").Request} Request */

const TOKEN = new Code('os.environ["RUNSTREAM_TOKEN"]');
const BEARER = new Code("{\"Authorization\": f\"Bearer {os.environ['RUNSTREAM_TOKEN']}\"}");

/** What the SDKs have as arguments; what else there is goes beside them. */
const CLOUDFLARE_ARGUMENTS = [
  ...["prompt", "messages", "tools", "raw", "stream", "max_tokens", "temperature", "top_p", "top_k", "seed"],
  ...["repetition_penalty", "frequency_penalty", "presence_penalty", "response_format", "lora"],
];
const OPENAI_ARGUMENTS = [
  ...["model", "messages", "prompt", "tools", "tool_choice", "stream", "max_tokens", "temperature", "top_p", "seed"],
  ...["frequency_penalty", "presence_penalty", "logit_bias", "stop", "response_format", "logprobs", "top_logprobs"],
];

/** @param {Request} request */
export function pythonRequests(request) {
  const { url, body } = endpointOf(request);
  const { stream } = body;
  const named = { ...(request.needsToken && { headers: BEARER }), json: body, ...(stream && { stream: true }) };
  const post = pythonCall("requests.post", [url], named);
  const imports = importsOf({ json: stream && isNativeText(request), os: request.needsToken });
  if (!stream) {
    const result = request.topLogprobs === undefined ? '["result"]' : '["choices"][0]';
    const answer = `response.json()${result}${isNativeText(request) ? '["response"]' : ""}`;
    return `${imports}import requests\n\nresponse = ${post}\nresponse.raise_for_status()\nprint(${answer})\n`;
  }
  return `${imports}import requests

with ${post} as response:
    response.raise_for_status()
${lines(request, 'b"data: {"', 'b"data: "', ".decode()")}`;
}

/** @param {Request} request */
export function pythonCloudflare(request) {
  const { origin, account, model, needsToken } = request;
  const body = nativeBody(request);
  const client = pythonCall("client = Cloudflare", [], { base_url: `${origin}/client/v4`, api_token: tokenOf(needsToken) });
  const head = body.stream ? "client.ai.with_streaming_response.run" : "client.ai.run";
  const run = pythonCall(head, [model], { account_id: account, ...argumentsOf(body, CLOUDFLARE_ARGUMENTS) });
  const begin = `${noteOfLogprobs("#", request)}${importsOf({ json: body.stream && isNativeText(request), os: needsToken })}`;
  const setUp = `${begin}from cloudflare import Cloudflare\n\n${client}\n`;
  if (!body.stream) return sendable(`${setUp}result = ${run}\nprint(result${isNativeText(request) ? '["response"]' : ""})\n`);
  return sendable(`${setUp}with ${run} as response:\n${lines(request, '"data: {"', '"data: "', "")}`);
}

/** @param {Request} request */
export function pythonOpenAi(request) {
  const { path, body, leftOut } = openAiRequest(request);
  const { needsToken } = request;
  const client = pythonCall("client = OpenAI", [], { base_url: openAiBase(request), api_key: tokenOf(needsToken) });
  const ask = pythonCall(`client.${path.replace("/", ".")}.create`, [], argumentsOf(body, OPENAI_ARGUMENTS));
  const setUp = `${noteOf("#", leftOut, "This route")}${importsOf({ os: needsToken })}from openai import OpenAI\n\n${client}\n`;
  const isChat = path === "chat/completions";
  if (!body.stream) {
    const text = isChat ? "choices[0].message.content" : "choices[0].text";
    return sendable(`${setUp}completion = ${ask}\nprint(completion.${isText(request) ? text : "choices[0].to_json()"})\n`);
  }
  const text = isChat ? 'choices[0].delta.content or ""' : "choices[0].text";
  const print = isText(request) ? `print(chunk.${text}, end="", flush=True)` : "print(chunk.choices[0].to_json())";
  return sendable(`${setUp}stream = ${ask}\nfor chunk in stream:\n    ${print}\n`);
}

/**
 * What an SDK can send: it writes UTF-8, which has no half of a character (a lone surrogate).
 *
 * @param {string} code
 * @returns {string} With U+FFFD instead, and a note of that.
 */
function sendable(code) {
  const sent = code.replace(/\\(ud[89a-f]..|.)/g, (escape, what) => (what.length > 1 ? "\\ufffd" : escape));
  return sent === code ? code : `# Half a character can't be sent: \\ufffd stands for each.\n${sent}`;
}

/** @param {boolean} needsToken */
function tokenOf(needsToken) {
  return needsToken ? TOKEN : "any";
}

/** @param {Record<string, unknown>} wanted Modules of the standard library, and whether each is needed. */
function importsOf(wanted) {
  const names = Object.keys(wanted).filter((name) => wanted[name]);
  return names.length ? `${names.map((name) => `import ${name}\n`).join("")}\n` : "";
}

/**
 * @param {Record<string, any>} body
 * @param {string[]} known
 */
function argumentsOf(body, known) {
  const entries = Object.entries(body);
  const extra = entries.filter(([name]) => !known.includes(name));
  return {
    ...Object.fromEntries(entries.filter(([name]) => known.includes(name))),
    ...(extra.length && { extra_body: Object.fromEntries(extra) }),
  };
}

/**
 * The loop that prints the events of a response. Lines of other kinds keep the connection alive, or are its end.
 *
 * @param {Request} request
 * @param {string} begin What a line with an event begins with.
 * @param {string} prefix What stands before its JSON.
 * @param {string} decode What makes text of it.
 */
function lines(request, begin, prefix, decode) {
  const event = `line.removeprefix(${prefix})`;
  const print = isNativeText(request) ? `json.loads(${event})["response"], end="", flush=True` : `${event}${decode}`;
  return `    for line in response.iter_lines():\n        if line.startswith(${begin}):\n            print(${print})\n`;
}
