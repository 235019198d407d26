// An AI binding whose models are a Runstream bridge's: for wrangler, and for Miniflare 4 and newer.
import { fileURLToPath } from "node:url";

const PLUGIN = "runstream";

/**
 * Gives one of Miniflare's `unsafeBindings`.
 *
 * @param {{name?: string, url?: string, token?: string}} options the binding's name; where the bridge listens, http only;
 *   a token if it asks for one. Without the latter two, RUNSTREAM_URL and RUNSTREAM_TOKEN in the environment say it
 */
export function runstreamAi({ name = "AI", ...options } = {}) {
  const plugin = { package: fileURLToPath(import.meta.url), name: PLUGIN };
  return { name, type: PLUGIN, plugin, options: JSON.parse(JSON.stringify(options)) };
}

/** What Miniflare asks of a package that a binding's `plugin` names. */
export const plugins = {
  [PLUGIN]: {
    getBindings: (worker) => bindings(worker).map(({ name }) => ({ name, wrapped: wrapped(name) })),
    getServices: ({ options: worker }) =>
      bindings(worker).map(({ name, options }) => ({ name: service(name), external: external(options) })),
    getNodeBindings: () => ({}),
  },
};

/** The bindings of a Worker that are ours: Miniflare 4 gives just those, 5 the whole Worker. */
function bindings(worker) {
  if (Array.isArray(worker)) return worker;
  const ours = Object.entries(worker.config.env ?? {}).filter(([, binding]) => binding.dev?.plugin?.name === PLUGIN);
  return ours.map(([name, binding]) => ({ name, options: binding.dev.options }));
}

/** The class of the binding that deployed Workers have, in the Worker's own isolate, with the bridge behind it. */
function wrapped(name) {
  return { moduleName: "cloudflare-internal:ai-api", innerBindings: [{ name: "fetcher", service: { name: service(name) } }] };
}

function service(name) {
  return `runstream-ai:${name}`;
}

function external({ url = process.env.RUNSTREAM_URL, token = process.env.RUNSTREAM_TOKEN } = {}) {
  const injectRequestHeaders = token ? [{ name: "Authorization", value: `Bearer ${token}` }] : [];
  return { address: new URL(url || "http://127.0.0.1:8080").host, http: { injectRequestHeaders } };
}
