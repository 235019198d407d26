// Has many prompts answered behind what others wait for: `node batch.mjs [HOST:PORT]`.
import { Client } from "runstream";

const cities = ["Paris", "London", "Rome", "Madrid", "Berlin"];
const items = cities.map((city) => ({ prompt: `Where is ${city}?`, externalReference: city, temperature: 0 }));

const client = new Client({ target: process.argv[2] });
const batch = await client.batches.create({ model: "@runstream/demo", items });
await client.batches.wait(batch.id, {
  onProgress: ({ numEnded, numItems }) => process.stderr.write(`\r${numEnded} of ${numItems}`),
  pollS: 0.2,
});
console.error();
for await (const { externalReference, result, error } of client.batches.results(batch.id)) {
  console.log(`${externalReference}: ${result?.text ?? error}`);
}
await client.batches.delete(batch.id);
