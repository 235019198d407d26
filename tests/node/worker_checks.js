// A Worker that does with its AI binding what it is asked, and tells what came of it.
import { Ai as Ai12 } from "@cloudflare/ai";
import { Ai as Ai11 } from "@cloudflare/ai-1.1";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { createWorkersAI } from "workers-ai-provider";

// Calls that name what they are about, beside text generation.
const absent = {
  toMarkdown: (ai) => ai.toMarkdown({ name: "a.html", blob: new Blob(["<p>"], { type: "text/html" }) }),
  "gateway.getUrl": (ai) => ai.gateway("mine").getUrl("openai"),
  "gateway.getLog": (ai) => ai.gateway("mine").getLog("1"),
  "gateway.patchLog": (ai) => ai.gateway("mine").patchLog("1", { score: 1 }),
  "gateway.run": async (ai) => {
    const response = await ai.gateway("mine").run({ provider: "openai", endpoint: "x", headers: {}, query: {} });
    throw Error((await response.json()).errors[0].message);
  },
  "autorag.list": (ai) => ai.autorag().list(),
  "autorag.search": (ai) => ai.autorag("mine").search({ query: "?" }),
  "autorag.aiSearch": (ai) => ai.autorag("mine").aiSearch({ query: "?" }),
};

function provided(ai, model) {
  return createWorkersAI({ binding: ai })(model);
}

const checks = {
  async run({ ai, model, inputs, options }) {
    const result = await ai.run(model, inputs, options);
    const { lastRequestId, lastRequestHttpStatusCode, aiGatewayLogId } = ai;
    return { result, requestId: lastRequestId, status: lastRequestHttpStatusCode, logId: aiGatewayLogId };
  },
  async stream({ ai, model, inputs }) {
    return new Response(await ai.run(model, { ...inputs, stream: true }));
  },
  async leave({ ai, model, inputs }) {
    const reader = (await ai.run(model, { ...inputs, stream: true })).getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    return { first };
  },
  /** Gives up once `started` answers, which is when the service is at work. */
  async abort({ ai, model, inputs, started }) {
    const controller = new AbortController();
    const asked = ai.run(model, inputs, { signal: controller.signal });
    const reading = asked.then((answer) => new Response(answer).text());
    await fetch(started);
    controller.abort();
    return reading.then(
      (text) => ({ text }),
      ({ name }) => ({ name }),
    );
  },
  async raw({ ai, model, inputs }) {
    const response = await ai.run(model, inputs, { returnRawResponse: true });
    const isResponse = response instanceof Response;
    return { isResponse, status: response.status, type: response.headers.get("content-type"), body: await response.json() };
  },
  async batch({ ai, model, inputs }) {
    const queued = await ai.run(model, { requests: inputs }, { queueRequest: true });
    let told = queued;
    while (told.status) {
      told = await ai.run(model, { request_id: queued.request_id });
    }
    return { queued, done: told };
  },
  async models({ ai, inputs }) {
    return ai.models(inputs);
  },
  async absent({ ai }) {
    const told = {};
    for (const [name, call] of Object.entries(absent)) told[name] = await call(ai).catch((error) => error.message);
    return told;
  },
  async generateText({ ai, model, inputs }) {
    const { text, usage, finishReason } = await generateText({ model: provided(ai, model), ...inputs });
    return { text, usage, finishReason };
  },
  async streamText({ ai, model, inputs }) {
    const { textStream, finishReason } = streamText({ model: provided(ai, model), ...inputs });
    return { texts: await Array.fromAsync(textStream), finishReason: await finishReason };
  },
  async generateObject({ ai, model, inputs, schema }) {
    const output = Output.object({ schema: jsonSchema(schema) });
    return { object: (await generateText({ model: provided(ai, model), ...inputs, output })).output };
  },
  async callTools({ ai, model, inputs, schema }) {
    const weather = tool({ description: "Tells the weather.", inputSchema: jsonSchema(schema), execute: () => "sunny" });
    const asked = { model: provided(ai, model), ...inputs, tools: { weather }, toolChoice: "required" };
    const { toolCalls, toolResults, finishReason } = await generateText({ ...asked, stopWhen: stepCountIs(1) });
    return { input: toolCalls[0].input, output: toolResults[0].output, finishReason };
  },
};

const clients = { binding: (ai) => ai, 1.2: (ai) => new Ai12(ai), 1.1: (ai) => new Ai11(ai) };

export default {
  async fetch(request, env) {
    const { check, client = "binding", ...asked } = await request.json();
    try {
      const answer = await checks[check]({ ...asked, ai: clients[client](env.AI) });
      return answer instanceof Response ? answer : Response.json(answer);
    } catch (error) {
      const { name, message } = error;
      return Response.json({ name, message, internalStatus: env.AI.lastRequestInternalStatusCode });
    }
  },
};
