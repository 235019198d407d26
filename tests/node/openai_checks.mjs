// Does one thing with OpenAI's client and prints what came of it: node openai_checks.mjs BASE_URL CHECK
import OpenAI from "openai";

const [baseURL, check] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const asked = { model: "@runstream/demo", temperature: 0, messages: [{ role: "user", content: "where is new york?" }] };
const add = { type: "function", function: { name: "add", parameters: { type: "object", properties: { n: {} } } } };
const place = { type: "object", properties: { is_city: { type: "boolean" } }, required: ["is_city"] };
const format = { type: "json_schema", json_schema: { name: "place", strict: true, schema: place } };

const helper = (fields) => client.chat.completions.stream({ ...asked, ...fields }).finalChatCompletion();

const checks = {
  whole: () => client.chat.completions.create(asked),

  stream: async () => {
    const stream = await client.chat.completions.create({ ...asked, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
    return text;
  },

  helper: () => helper({ stream_options: { include_usage: true } }),

  tools: async () => {
    const calls = async (answer) => (await answer).choices[0].message.tool_calls;
    const whole = await calls(client.chat.completions.create({ ...asked, tools: [add] }));
    return { whole, streamed: await calls(helper({ tools: [add] })) };
  },

  structured: async () => {
    const text = async (answer) => JSON.parse((await answer).choices[0].message.content);
    const whole = await text(client.chat.completions.parse({ ...asked, response_format: format }));
    return { whole, streamed: await text(helper({ response_format: format })) };
  },

  logprobs: async () => {
    const entries = async (answer) => (await answer).choices[0].logprobs.content;
    const whole = await entries(client.chat.completions.create({ ...asked, logprobs: true, top_logprobs: 1 }));
    return { whole, streamed: await entries(helper({ logprobs: true, top_logprobs: 1 })) };
  },

  choices: async () => (await helper({ n: 2 })).choices.map((choice) => choice.message.content),

  models: async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: (await client.models.retrieve(asked.model)).id };
  },

  completions: async () => {
    const stream = await client.completions.create({ model: asked.model, prompt: "New York is", stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0].text;
    return text;
  },

  failure: async () => {
    try {
      for await (const _ of await client.chat.completions.create({ ...asked, stream: true }));
    } catch (error) {
      return { name: error.constructor.name, status: error.status ?? null, message: error.message };
    }
    return null;
  },
};

console.log(JSON.stringify(await checks[check]()));
