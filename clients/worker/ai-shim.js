// Stands in for the AI binding as a service of `wrangler dev`, which in newer versions has no local AI.
import { WorkerEntrypoint } from "cloudflare:workers";

export default class extends WorkerEntrypoint {
  async run(model, inputs, { prefix, extraHeaders, ...options } = {}) {
    const response = await this.#ask("/run?version=3", {
      method: "POST",
      headers: { ...extraHeaders, "cf-consn-model-id": prefix ? `${prefix}:${model}` : model },
      body: JSON.stringify({ inputs, options }),
    });
    return response.headers.get("content-type") === "application/json" ? response.json() : response.body;
  }

  async models(params = {}) {
    const response = await this.#ask(`/ai-api/models/search?${new URLSearchParams(params)}`);
    return (await response.json()).result;
  }

  async #ask(path, { headers, ...init } = {}) {
    const { RUNSTREAM_URL = "http://127.0.0.1:8080", RUNSTREAM_TOKEN } = this.env;
    const authorization = RUNSTREAM_TOKEN ? { Authorization: `Bearer ${RUNSTREAM_TOKEN}` } : {};
    const response = await fetch(RUNSTREAM_URL + path, { ...init, headers: { ...headers, ...authorization } });
    if (response.ok) return response;
    const failure = await response.json();
    const { code, message } = failure.errors?.[0] ?? { code: failure.internalCode, message: failure.description };
    throw Object.assign(new Error(`${code}: ${message}`), { name: failure.name ?? "InferenceUpstreamError" });
  }
}
