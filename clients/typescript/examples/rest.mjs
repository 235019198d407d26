// The same without this package, by REST and server-sent events: `RUNSTREAM_TOKEN=… node rest.mjs [URL]`.
const [base = "http://127.0.0.1:8080"] = process.argv.slice(2);
const token = process.env.RUNSTREAM_TOKEN;

/** @param {object} input @param {AbortSignal} [signal] */
async function run(input, signal) {
  const response = await fetch(`${base}/client/v4/accounts/local/ai/run/@runstream/demo`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(input),
    signal,
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

/** @param {Response} response The data of each event; an event may come in any pieces. */
async function* events(response) {
  let rest = "";
  for await (const piece of /** @type {ReadableStream} */ (response.body).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}

const { result } = await (await run({ prompt: "where is new york?" })).json();
console.log(result.response);

const left = new AbortController();
let numParts = 0;
for await (const data of events(await run({ prompt: "Tell me a story", stream: true }, left.signal))) {
  if (data === "[DONE]") break;
  process.stdout.write(JSON.parse(data).response);
  if (++numParts === 20) break; // leaving the loop closes the connection, which ends the generation
}
left.abort();
console.log();
