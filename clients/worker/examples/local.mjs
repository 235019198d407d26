// Serves worker.js on http://127.0.0.1:8787 with an env.AI that a bridge answers.
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { runstreamAi } from "runstream-worker";

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: Number(process.env.PORT ?? "8787"),
  compatibilityDate: "2026-01-01",
  modules: true,
  scriptPath: fileURLToPath(new URL("worker.js", import.meta.url)),
  unsafeBindings: [runstreamAi()],
});

console.log(`listening on ${(await miniflare.ready).origin}`);
