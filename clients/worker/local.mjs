// Serves worker.js on http://127.0.0.1:8787 with an env.AI that a bridge answers.
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { runstreamAi } from "./runstream.mjs";

const { RUNSTREAM_URL, RUNSTREAM_TOKEN, PORT = "8787" } = process.env;
const ai = runstreamAi({ url: RUNSTREAM_URL, token: RUNSTREAM_TOKEN });

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: Number(PORT),
  workers: [
    {
      name: "example",
      compatibilityDate: "2026-01-01",
      modules: true,
      scriptPath: fileURLToPath(new URL("worker.js", import.meta.url)),
      wrappedBindings: { AI: ai.binding },
    },
    ai.worker,
  ],
});

console.log(`listening on ${(await miniflare.ready).origin}`);
