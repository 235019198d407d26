// Does what a user does with Cloudflare's SDK, and prints what came of it as JSON: node cloudflare_checks.mjs URL
import Cloudflare from "cloudflare";

const client = new Cloudflare({ baseURL: `${process.argv[2]}/client/v4`, apiToken: "any", maxRetries: 0 });
const model = "@cf/meta/llama-3.1-8b-instruct";
const inputs = { account_id: "acc", prompt: "where is new york?", temperature: 0 };

const parameters = { type: "object", properties: { city: { enum: ["Paris"] } }, required: ["city"] };
const tool = { name: "weather", description: "Tells the weather.", parameters };
const tool_choice = { type: "function", function: { name: "weather" } };
const messages = [{ role: "user", content: "What is the weather in Paris?" }];

async function refused(model, inputs) {
  try {
    return { answer: await client.ai.run(model, { account_id: "acc", ...inputs }) };
  } catch (error) {
    const { status, errors } = error;
    return { class: error.constructor.name, status, code: errors[0].code, text: errors[0].message };
  }
}

const checks = {
  run: () => client.ai.run(model, inputs),
  stream: async () => (await client.ai.run(model, { ...inputs, stream: true }).asResponse()).text(),
  call: () => client.ai.run(model, { account_id: "acc", messages, tools: [tool], tool_choice, temperature: 0 }),
  models: async () => {
    const names = [];
    for await (const row of client.ai.models.list({ account_id: "acc" })) names.push(row.name);
    return names;
  },
  schema: () => client.ai.models.schema.get({ account_id: "acc", model }),
  "no model": () => refused("@cf/none", { prompt: "hi" }),
  "bad input": () => refused(model, { prompt: "hi", top_k: 51 }),
};

const answers = {};
for (const [name, check] of Object.entries(checks)) answers[name] = await check();
console.log(JSON.stringify(answers));
