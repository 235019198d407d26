// Prints an answer while it is generated, up to its third sentence or Ctrl-C: `node stream.mjs "Tell me a story" [HOST:PORT]`.
import { Client } from "runstream";

const [prompt = "Tell me a story", target] = process.argv.slice(2);
const messages = [
  { role: "system", content: "You are a friendly assistant" },
  { role: "user", content: prompt },
];
const client = new Client({ target });
const stream = client.stream({ model: "@runstream/demo", messages, temperature: 0 });
process.once("SIGINT", () => stream.cancel());
for await (const part of stream) {
  process.stdout.write(part.text);
  if (stream.text.split(".").length > 3) break; // ends the generation on the server
}
console.log(`\n(${stream.text.length} characters)`);
