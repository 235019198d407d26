// Asks over TLS and with a token: `RUNSTREAM_TOKEN=… node tls.mjs HOST:PORT ca.pem`. The file holds the authority
// that the service's certificate must come from; without it those that everybody knows are trusted.
import { readFileSync } from "node:fs";

import { Client, UnauthenticatedError } from "runstream";

const [target, authority] = process.argv.slice(2);
const ca = authority ? readFileSync(authority) : undefined;
const client = new Client({ target, token: process.env.RUNSTREAM_TOKEN, tls: true, ca });
try {
  console.log((await client.run({ model: "@runstream/demo", prompt: "where is new york?" })).text);
} catch (error) {
  if (!(error instanceof UnauthenticatedError)) throw error;
  console.error(`set RUNSTREAM_TOKEN: ${error.message}`);
  process.exitCode = 1;
}
