// Lets the model call a tool and answers the call: `node tools.mjs [HOST:PORT]`.
import { Client } from "runstream";

const model = "@runstream/demo";
const weather = {
  name: "weather",
  description: "Tells the weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { enum: ["Paris", "London", "New York"] } },
    required: ["city"],
    additionalProperties: false,
  },
};

const client = new Client({ target: process.argv[2] });
/** @type {import("runstream").Message[]} */
const messages = [{ role: "user", content: "How is the weather in Paris?" }];
const asked = await client.run({ model, messages, tools: [weather], toolChoice: "required", temperature: 0 });
messages.push(asked.message);
for (const call of asked.toolCalls) {
  const content = `It is sunny in ${JSON.parse(call.argumentsJson).city}.`;
  console.log(`${call.name}(${call.argumentsJson}): ${content}`);
  messages.push({ role: "tool", toolCallId: call.id, name: call.name, content });
}
const answer = await client.run({ model, messages, tools: [weather], toolChoice: "none", maxTokens: 60 });
console.log(answer.text);
