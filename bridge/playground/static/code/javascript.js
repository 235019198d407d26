// @ts-check
/** The request as a script of TypeScript, and as a Worker. */

import { endpointOf, isNativeText, nativeBody, noteOfLogprobs } from "./endpoint.js";
import { JAVASCRIPT, literal, quoted } from "./literals.js";

/** @typedef {import("./endpoint.js").Request} Request */

const BEARER = "{ Authorization: `Bearer ${process.env.RUNSTREAM_TOKEN}` }";

/** @param {Request} request */
export function typescript(request) {
  const { url, body } = endpointOf(request);
  const begin = body.stream ? 'import { EventSourceParserStream } from "eventsource-parser/stream";\n\n' : "";
  const headers = request.needsToken ? `  headers: ${BEARER},\n` : "";
  return `${begin}const response = await fetch(${quoted(url)}, {
  method: "POST",
${headers}  body: JSON.stringify(${literal(body, JAVASCRIPT, "  ", 26)}),
});
if (!response.ok) throw new Error(await response.text());
${body.stream ? eventsOf(request) : answerOf(request)}`;
}

/** @param {Request} request */
export function worker(request) {
  const { model } = request;
  const body = nativeBody(request);
  const run = `env.AI.run(${quoted(model)}, ${literal(body, JAVASCRIPT, "    ", 40 + model.length)})`;
  const answer = body.stream
    ? `const stream = await ${run};\n    return new Response(stream, { headers: { "content-type": "text/event-stream" } });`
    : `const answer = await ${run};\n    return Response.json(answer);`;
  return `${noteOfLogprobs("//", request)}export default {\n  async fetch(request, env) {\n    ${answer}\n  },\n};\n`;
}

/** @param {Request} request */
function answerOf(request) {
  if (!isNativeText(request)) return "console.log(await response.text());\n";
  return "const { result } = (await response.json()) as { result: { response: string } };\nconsole.log(result.response);\n";
}

/** @param {Request} request */
function eventsOf(request) {
  const print = isNativeText(request) ? "process.stdout.write(JSON.parse(data).response)" : "console.log(data)";
  return `const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
for await (const { data } of events) {
  if (data !== "[DONE]") ${print};
}
`;
}
