// Asks a Worker in Miniflare to do things with its AI binding: node env_ai.mjs URL TOKEN '[{"check": …}, …]'
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { runstreamAi } from "runstream-worker";

const [url, token, questions] = process.argv.slice(2);

// As wrangler bundles a Worker.
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("worker_checks.js", import.meta.url))],
  bundle: true,
  format: "esm",
  conditions: ["workerd", "worker", "browser"],
  external: ["node:*", "cloudflare:*"],
  write: false,
});

const miniflare = new Miniflare({
  compatibilityDate: "2026-01-01",
  compatibilityFlags: ["nodejs_compat"],
  modules: [{ type: "ESModule", path: "worker.mjs", contents: bundle.outputFiles[0].text }],
  unsafeBindings: [runstreamAi({ url, token })],
});

try {
  const answers = [];
  for (const question of JSON.parse(questions)) {
    const response = await miniflare.dispatchFetch("http://worker/", { method: "POST", body: JSON.stringify(question) });
    const text = await response.text();
    answers.push(response.headers.get("content-type") === "application/json" ? JSON.parse(text) : text);
  }
  console.log(JSON.stringify(answers));
} finally {
  await miniflare.dispose();
}
