// @ts-check
/** The models that the service knows, as they are now: asked again and again, faster while one is being loaded. */

const LOADING_MS = 1000;
const IDLE_MS = 15_000;

/**
 * @typedef {object} Model
 * @property {string} id
 * @property {string} description
 * @property {"loading" | "ready" | "weights_missing" | "failed" | "unloaded"} state
 * @property {string} state_detail
 * @property {string} served_model Who answers for it; empty if nobody does.
 * @property {number} context_window In tokens, as are the others.
 * @property {number} max_prompt_tokens
 * @property {number} max_completion_tokens
 * @property {number} default_max_tokens
 * @property {number} default_max_tokens_streamed
 * @property {string} license
 * @property {boolean} can_call_tools
 * @property {string} retired The day on which Cloudflare has retired it; empty if it has not.
 * @property {string} answer_shape In whose words Workers AI's own route takes requests and answers.
 *
 * @typedef {Record<string, any>} Schema A JSON Schema.
 */

/** Dispatches "change" when they have been told, and "failure", with the error as `detail`, when they can't be. */
export class Models extends EventTarget {
  /** @type {Model[]} */
  list = [];
  account = "";
  /** Where the service answers gRPC, as the bridge reaches it. */
  grpc = { address: "", is_tls: false, needs_token: false };
  needsToken = false;

  #bridge;
  #timer = 0;
  /** @type {Map<string, Promise<Schema>>} */
  #schemas = new Map();

  /** @param {import("./bridge.js").Bridge} bridge */
  constructor(bridge) {
    super();
    this.#bridge = bridge;
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  /** Asks now, and from then on again and again, but for one thing: while a token is missing. */
  async refresh() {
    clearTimeout(this.#timer);
    try {
      const told = await this.#bridge.json("/playground/models");
      this.list = told.models;
      this.account = told.account;
      this.grpc = told.grpc;
      this.needsToken = told.needs_token;
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failure", { detail: error }));
      if (/** @type {import("./bridge.js").BridgeError} */ (error).wantsToken) return;
    }
    const isWaiting = !this.list.length || this.list.some((model) => model.state === "loading");
    if (!document.hidden) this.#timer = setTimeout(() => this.refresh(), isWaiting ? LOADING_MS : IDLE_MS);
  }

  /** @param {string} id @returns {Model | undefined} */
  get(id) {
    return this.list.find((model) => model.id === id);
  }

  /** The model that a page shows first: one that answers by itself if there is one. */
  get first() {
    return this.list.find((model) => model.served_model === model.id) ?? this.list.find((model) => model.served_model);
  }

  /** @param {string} id @returns {Promise<Schema>} The schema of an input with messages, which has the parameters. */
  parameters(id) {
    let asked = this.#schemas.get(id);
    if (!asked) {
      asked = this.#askSchema(id);
      this.#schemas.set(id, asked);
      asked.catch(() => this.#schemas.delete(id));
    }
    return asked;
  }

  /** @param {string} id */
  async #askSchema(id) {
    const account = encodeURIComponent(this.account);
    const path = `/client/v4/accounts/${account}/ai/models/schema?model=${encodeURIComponent(id)}`;
    const { result } = await this.#bridge.json(path);
    return result.input.oneOf.find((/** @type {Schema} */ branch) => "messages" in branch.properties);
  }
}
