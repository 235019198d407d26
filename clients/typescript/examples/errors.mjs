// Tells errors apart, and asks again where that helps: `node errors.mjs "@no/such-model" [HOST:PORT]`.
import { setTimeout as sleep } from "node:timers/promises";

import { Client, InvalidRequestError, ModelNotFoundError, QueueFullError, RunstreamError } from "runstream";

const [unknown = "@no/such-model", target] = process.argv.slice(2);
const client = new Client({ target });

/**
 * Asks, and again while the queue is full; what was UNAVAILABLE the client has asked again by itself.
 * @param {string} model
 * @param {number} temperature
 */
async function ask(model, temperature) {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      return await client.run({ model, prompt: "where is new york?", temperature, timeoutS: 30 });
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      await sleep(1000 * (error.retryAfterS ?? 1));
    }
  }
  throw new Error("the service is too busy");
}

try {
  await ask(unknown, 0.5);
} catch (error) {
  if (!(error instanceof ModelNotFoundError)) throw error;
  const known = [];
  for await (const model of client.models.list()) known.push(model.id);
  console.log(`there is no ${unknown}, but ${known.join(", ")}`);
}
try {
  await ask("@runstream/demo", 9);
} catch (error) {
  if (error instanceof InvalidRequestError) console.log(`change ${error.field}: ${error.message}`);
  else if (error instanceof RunstreamError) console.log(`${error.reason}: ${error} (request ${error.requestId})`);
  else throw error;
}
