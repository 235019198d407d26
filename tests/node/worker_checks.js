// A Worker that does with its AI binding what it is asked, and tells what came of it.
import { Ai as Ai12 } from "@cloudflare/ai";
import { Ai as Ai11 } from "@cloudflare/ai-1.1";
import { generateText, streamText } from "ai";
import { createWorkersAI } from "workers-ai-provider";

const checks = {
  async run({ ai, model, inputs, options }) {
    const result = await ai.run(model, inputs, options);
    return { result, requestId: ai.lastRequestId, status: ai.lastRequestHttpStatusCode };
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
  async raw({ ai, model, inputs }) {
    const response = await ai.run(model, inputs, { returnRawResponse: true });
    return { status: response.status, type: response.headers.get("content-type"), body: await response.json() };
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
  async generateText({ ai, model, inputs }) {
    const { text, usage, finishReason } = await generateText({ model: createWorkersAI({ binding: ai })(model), ...inputs });
    return { text, usage, finishReason };
  },
  async streamText({ ai, model, inputs }) {
    const { textStream } = streamText({ model: createWorkersAI({ binding: ai })(model), ...inputs });
    return { texts: await Array.fromAsync(textStream) };
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
