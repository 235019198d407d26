// What a Worker answers whose env.AI a bridge answers: node worker_script.mjs FILE URL TOKEN
import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";
import { runstreamAi } from "runstream-worker";

const [file, url, token] = process.argv.slice(2);
const miniflare = new Miniflare({
  compatibilityDate: "2026-01-01",
  modules: [{ type: "ESModule", path: "worker.mjs", contents: readFileSync(file, "utf8") }],
  unsafeBindings: [runstreamAi({ url, token })],
});

try {
  console.log(JSON.stringify(await (await miniflare.dispatchFetch("http://worker/")).text()));
} finally {
  await miniflare.dispose();
}
