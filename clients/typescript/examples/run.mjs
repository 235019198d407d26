// Asks for a whole answer: `node run.mjs "where is new york?" [HOST:PORT]`.
import { Client } from "runstream";

const [prompt = "where is new york?", target] = process.argv.slice(2);
const client = new Client({ target });
const result = await client.run({ model: "@runstream/demo", prompt, maxTokens: 100 });
console.log(result.text);
console.error(`${result.usage.completionTokens} tokens, ended by ${result.finishReason}`);
