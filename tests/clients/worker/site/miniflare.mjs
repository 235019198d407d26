// Serves bundle.js: node miniflare.mjs
import { Miniflare } from "miniflare";
import { runstreamAi } from "runstream-worker";

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  compatibilityDate: "2026-01-01",
  modules: true,
  scriptPath: "bundle.js",
  unsafeBindings: [runstreamAi()],
});

console.log(`listening on ${(await miniflare.ready).origin}`);
