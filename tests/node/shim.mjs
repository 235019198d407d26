// A Worker whose AI is the shim as a service, as newer wrangler would run both: node shim.mjs URL
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const [url] = process.argv.slice(2);
const worker = `
  import { Ai } from "@cloudflare/ai";
  const model = "@cf/meta/llama-3.1-8b-instruct", inputs = { prompt: "where is new york?", temperature: 0 };
  export default {
    async fetch(request, env) {
      const run = await env.AI.run(model, inputs);
      const stream = await new Response(await env.AI.run(model, { ...inputs, stream: true })).text();
      const error = await env.AI.run("@cf/none", inputs).catch((error) => error.message);
      const result = await new Ai(env.AI).run(model, inputs);
      return Response.json({ run, stream, error, package: { ...result } });
    },
  };`;

async function bundled(input) {
  const options = { bundle: true, format: "esm", external: ["node:*", "cloudflare:*"], write: false, ...input };
  return [{ type: "ESModule", path: "worker.mjs", contents: (await build(options)).outputFiles[0].text }];
}

const resolveDir = fileURLToPath(new URL(".", import.meta.url));
const shim = fileURLToPath(new URL("../../clients/worker/ai-shim.js", import.meta.url));
const shared = { compatibilityDate: "2026-01-01", compatibilityFlags: ["nodejs_compat"] };
const miniflare = new Miniflare({
  workers: [
    { ...shared, name: "main", modules: await bundled({ stdin: { contents: worker, resolveDir } }), serviceBindings: { AI: "ai-shim" } },
    { ...shared, name: "ai-shim", modules: await bundled({ entryPoints: [shim] }), bindings: { RUNSTREAM_URL: url } },
  ],
});

try {
  console.log(await (await miniflare.dispatchFetch("http://worker/")).text());
} finally {
  await miniflare.dispose();
}
