// An AI binding for Miniflare 4 whose models are a Runstream bridge's.

const NAME = "runstream-ai";

/**
 * Gives the two pieces of Miniflare's options that make `env.AI`.
 *
 * @param {{url?: string, token?: string}} options where the bridge listens, http only; a token if it asks for one
 * @returns {{binding: object, worker: object}} `binding` for `wrappedBindings`, `worker` to stand beside your own
 */
export function runstreamAi({ url = "http://127.0.0.1:8080", token } = {}) {
  const headers = token ? [{ name: "Authorization", value: `Bearer ${token}` }] : [];
  const worker = {
    name: NAME,
    modules: [
      {
        type: "ESModule",
        path: "ai.mjs",
        contents: 'import { Ai } from "cloudflare-internal:ai-api"; export default (env) => new Ai(env.BRIDGE);',
      },
    ],
    serviceBindings: { BRIDGE: { external: { address: new URL(url).host, http: { injectRequestHeaders: headers } } } },
  };
  return { binding: { scriptName: NAME }, worker };
}
