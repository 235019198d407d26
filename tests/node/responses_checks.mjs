// Does one thing with OpenAI's client on its Responses API and prints what came of it: node responses_checks.mjs BASE_URL CHECK
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod"; // a peer of the package's own, pinned with it

const [baseURL, check] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const asked = { model: "@runstream/demo", temperature: 0, input: "where is new york?" };
const add = { type: "function", name: "add", strict: true, parameters: { type: "object", properties: { n: {} } } };
const text = { format: zodTextFormat(z.object({ n: z.number() }), "sum") };

const helper = (fields) => client.responses.stream({ ...asked, ...fields }).finalResponse();
const events = async (fields) => {
  const told = [];
  for await (const event of await client.responses.create({ ...asked, ...fields, stream: true })) told.push(event);
  return told;
};
const thrown = async (asking) => {
  try {
    await asking();
  } catch (error) {
    return { name: error.constructor.name, status: error.status ?? null, param: error.param ?? null, message: error.message };
  }
  return null;
};

const checks = {
  whole: () => client.responses.create(asked),

  events: () => events({}),

  helper: () => helper({}),

  tools: async () => {
    const whole = (await client.responses.create({ ...asked, tools: [add] })).output;
    return { whole, streamed: (await helper({ tools: [add] })).output };
  },

  structured: async () => {
    const whole = (await client.responses.parse({ ...asked, text })).output_parsed;
    return { whole, streamed: (await helper({ text })).output_parsed };
  },

  logprobs: async () => {
    const fields = { include: ["message.output_text.logprobs"], top_logprobs: 1 };
    const entries = (response) => response.output[0].content[0].logprobs;
    return { whole: entries(await client.responses.create({ ...asked, ...fields })), streamed: entries(await helper(fields)) };
  },

  incomplete: async () => {
    const whole = await client.responses.create({ ...asked, max_output_tokens: 3 });
    const end = (await events({ max_output_tokens: 3 })).at(-1);
    return { whole: [whole.status, whole.incomplete_details.reason], streamed: [end.type, end.response.output_text ?? null] };
  },

  again: async () => {
    const first = await client.responses.create({ ...asked, tools: [add] });
    const outputs = first.output
      .filter((item) => item.type === "function_call")
      .map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "4" }));
    return (await client.responses.create({ ...asked, input: [...first.output, ...outputs], tools: [add] })).status;
  },

  failure: () => thrown(() => events({})),

  helperFailure: () => thrown(() => helper({})),

  refused: () => thrown(() => client.responses.create({ ...asked, previous_response_id: "resp_1" })),

  leaving: async () => {
    for await (const event of await client.responses.create({ ...asked, stream: true })) return event.type;
  },
};

console.log(JSON.stringify(await checks[check]()));
