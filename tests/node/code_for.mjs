// Writes requests as code: for each line {"kind", "request"} of its input one with the code, and with what scripts of
// JavaScript pass to their client when they run. node code_for.mjs
import { createInterface } from "node:readline";
import { stripTypeScriptTypes } from "node:module";
import { codeFor } from "../../bridge/playground/static/code/code.js";

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

/** Ends a script where it has asked. */
class Asked extends Error {
  constructor(value) {
    super();
    this.value = value;
  }
}

function ask(...value) {
  throw new Asked(value);
}

const run = {
  async typescript(code) {
    const plain = stripTypeScriptTypes(code).replaceAll(/^import .*\n/gm, "");
    await new AsyncFunction("fetch", plain)((url, { body }) => ask(url, JSON.parse(body)));
  },
  async worker(code) {
    const module = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    await module.default.fetch({}, { AI: { run: ask } });
  },
};

async function askedBy(kind, code) {
  try {
    await run[kind]?.(code);
  } catch (error) {
    if (!(error instanceof Asked)) throw error;
    return error.value;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, request } = JSON.parse(line);
  const code = codeFor(kind, request);
  console.log(JSON.stringify({ code, asked: await askedBy(kind, code) }));
}
