// An AI binding whose models are a Runstream bridge's: for wrangler, and for Miniflare 4 and newer.
import { fileURLToPath } from "node:url";

const PLUGIN = "runstream";
const LOCAL = "http://127.0.0.1:8080";
const OPTIONS = new Set(["url", "token"]);

/** Gives one of Miniflare's `unsafeBindings`; index.d.ts says more. */
export function runstreamAi({ name = "AI", ...options } = {}) {
  const told = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  external(told);
  return { name, type: PLUGIN, plugin: { package: fileURLToPath(import.meta.url), name: PLUGIN }, options: told };
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

function external(options = {}) {
  const unknown = Object.keys(options).filter((key) => !OPTIONS.has(key));
  if (unknown.length) throw new TypeError(`runstream-worker: there is no option ${unknown.join(", ")}, but name, url and token`);
  const { url = process.env.RUNSTREAM_URL || LOCAL, token = process.env.RUNSTREAM_TOKEN } = options;
  const injectRequestHeaders = token ? [{ name: "Authorization", value: `Bearer ${token}` }] : [];
  return { address: address(url), http: { injectRequestHeaders } };
}

/** Host and port of an address of the bridge. */
function address(url) {
  const { protocol, host, pathname, search, hash, username } = URL.canParse(url) ? new URL(url) : {};
  if (protocol === "http:" && pathname === "/" && !(search || hash || username)) return host;
  throw new TypeError(`runstream-worker: write url or RUNSTREAM_URL like ${LOCAL}, without https and without a path, not as ${url}`);
}
