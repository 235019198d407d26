// @ts-check
/** The request as a script of TypeScript, and as a Worker. */

import { isText, noteOf, noteOfLogprobs, openAiBase } from "./endpoint.js";
import { Code, JAVASCRIPT, literal, quoted } from "./literals.js";
import { openAiRequest } from "./openai_body.js";

/** @typedef {import("./endpoint.js").Request} Request */

const TOKEN = new Code("process.env.RUNSTREAM_TOKEN");

/** @param {Request} request */
export function typescript(request) {
  return request.topLogprobs === undefined ? typescriptCloudflare(request) : typescriptOpenAi(request);
}

/** @param {Request} request */
export function worker(request) {
  const { model, body } = request;
  const run = `env.AI.run(${quoted(model)}, ${literal(body, JAVASCRIPT, "    ", 40 + model.length)})`;
  const answer = body.stream
    ? `const stream = await ${run};\n    return new Response(stream, { headers: { "content-type": "text/event-stream" } });`
    : `const answer = await ${run};\n    return Response.json(answer);`;
  return `${noteOfLogprobs("//", request)}export default {\n  async fetch(request, env) {\n    ${answer}\n  },\n};\n`;
}

/** @param {Request} request */
function typescriptCloudflare(request) {
  const { origin, account, model, body } = request;
  const options = literal({ baseURL: `${origin}/client/v4`, apiToken: tokenOf(request) }, JAVASCRIPT, "", 32);
  const parameters = literal({ account_id: account, ...body }, JAVASCRIPT, "", 40 + model.length);
  const client = `const client = new Cloudflare(${options});\n`;
  const run = `client.ai.run(${quoted(model)}, ${parameters})`;
  if (!body.stream) {
    const print = isText(request) ? "(result as { response: string }).response" : "JSON.stringify(result, null, 2)";
    return `import Cloudflare from "cloudflare";\n\n${client}const result = await ${run};\nconsole.log(${print});\n`;
  }
  const print = isText(request) ? "process.stdout.write(JSON.parse(data).response)" : "console.log(data)";
  return `import Cloudflare from "cloudflare";
import { EventSourceParserStream } from "eventsource-parser/stream";

${client}const response = await ${run}.asResponse();
const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
for await (const { data } of events) {
  if (data !== "[DONE]") ${print};
}
`;
}

/** @param {Request} request */
function typescriptOpenAi(request) {
  const { path, body, leftOut } = openAiRequest(request);
  const options = literal({ baseURL: openAiBase(request), apiKey: tokenOf(request) }, JAVASCRIPT, "", 28);
  const ask = `client.${path.replace("/", ".")}.create(${literal(body, JAVASCRIPT, "", 56)})`;
  const setUp = `import OpenAI from "openai";\n\nconst client = new OpenAI(${options});\n`;
  const print = (/** @type {string} */ name) => `console.log(JSON.stringify(${name}.choices[0]));`;
  const rest = body.stream
    ? `const stream = await ${ask};\nfor await (const chunk of stream) {\n  ${print("chunk")}\n}\n`
    : `const completion = await ${ask};\n${print("completion")}\n`;
  return noteOf("//", leftOut, "This route") + setUp + rest;
}

/** @param {Request} request */
function tokenOf({ needsToken }) {
  return needsToken ? TOKEN : "any";
}
