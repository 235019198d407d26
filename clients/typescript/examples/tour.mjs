// Goes once through all: `RUNSTREAM_TOKEN=… node tour.mjs HOST:PORT [ca.pem]`.
import { readFileSync } from "node:fs";

import { Client, createClient, DeadlineExceededError, ModelNotFoundError } from "runstream";
import { Health, HealthCheckResponse_ServingStatus } from "runstream/grpc/health/v1";

const [target, authority] = process.argv.slice(2);
const ca = authority ? readFileSync(authority) : undefined;
const client = new Client({ target, token: process.env.RUNSTREAM_TOKEN, ca });
const asked = { model: "@runstream/demo", prompt: "where is new york?", temperature: 0 };

const { status } = await createClient(Health, client.transport).check({}, { timeoutMs: 5000 });
console.log("health:", HealthCheckResponse_ServingStatus[status]);

const whole = await client.run(asked);
console.log(`${whole.text} (${whole.usage.completionTokens} tokens)`);

for await (const part of client.stream(asked)) process.stdout.write(part.text);
console.log();

const stream = client.stream(asked);
let numParts = 0;
for await (const _ of stream) if (++numParts === 3) break; // the service stops generating
console.log(stream.text);

try {
  await client.run({ model: asked.model, prompt: "Tell me a story", maxTokens: 900, ignoreEos: true, timeoutS: 0.05 });
} catch (error) {
  if (error instanceof DeadlineExceededError) console.log("deadline:", error.reason);
  else throw error;
}
try {
  await client.run({ ...asked, model: "@no/such-model" });
} catch (error) {
  if (error instanceof ModelNotFoundError) console.log("error:", error.reason);
  else throw error;
}
