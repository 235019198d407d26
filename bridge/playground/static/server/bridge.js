// @ts-check
/** The bridge as pages ask it: with the token, and with failures as errors in words. */

import { tabShelf } from "../store/shelf.js";

const KEY = "runstream.token";
const UNAUTHENTICATED = 10001;
const AUTHENTICATION_ERROR = 10000;
/** What Cloudflare's messages begin with says nothing to a reader. */
const PREFIX = /^(AiError: )+/;
const BROKEN_OFF = "The answer broke off before its end: the bridge or the connection to it failed.";
const UNREACHABLE = "The bridge can't be reached: is it still running?";

/** What the bridge answers instead of a result, or that it does not answer. */
export class BridgeError extends Error {
  /**
   * @param {string} message Words for the user.
   * @param {{status?: number, code?: number, requestId?: string}} [more] What the answer's head and body say.
   */
  constructor(message, { status = 0, code = 0, requestId = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }

  /** Whether a token, or another one, would help. */
  get wantsToken() {
    return this.status === 401 || this.code === UNAUTHENTICATED || this.code === AUTHENTICATION_ERROR;
  }
}

/** @param {unknown} error @returns {boolean} Whether it is that the user has stopped what was asked. */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * What a failure of the bridge says.
 *
 * @param {{code?: number, message?: string} | undefined} entry One of `errors`.
 * @param {{status?: number, requestId?: string}} head
 */
export function errorOf(entry, { status = 0, requestId = "" }) {
  const message = entry?.message?.replace(` (${requestId})`, "").replace(PREFIX, "");
  return new BridgeError(message || `The bridge answered with status ${status}.`, { status, code: entry?.code, requestId });
}

/** @param {Response} response @returns {BridgeError} That it ended too early. */
export function brokenOff(response) {
  return new BridgeError(BROKEN_OFF, { requestId: idOf(response) });
}

/** @param {Response} response @returns {string} The request's id. */
export function idOf(response) {
  return response.headers.get("cf-ai-req-id") ?? "";
}

/**
 * The JSON of an answer that comes whole.
 *
 * @param {Response} response
 * @returns {Promise<any>}
 * @throws {BridgeError} It breaks off.
 */
export async function jsonOf(response) {
  try {
    return await response.json();
  } catch (error) {
    throw isAbort(error) ? error : brokenOff(response);
  }
}

/**
 * A module that is fetched when it is needed first.
 *
 * @template T
 * @param {Promise<T>} module What `import` returns.
 * @returns {Promise<T>}
 * @throws {BridgeError} The bridge does not answer.
 */
export function loaded(module) {
  return module.catch(() => {
    throw new BridgeError(UNREACHABLE);
  });
}

export class Bridge {
  /** The token, kept until the tab is closed; empty for none. */
  get token() {
    return tabShelf.get(KEY);
  }

  set token(token) {
    tabShelf.set(KEY, token);
  }

  /**
   * Asks.
   *
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<Response>} A good answer.
   * @throws {BridgeError} There is none.
   */
  async fetch(path, options = {}) {
    const headers = new Headers(options.headers);
    if (this.token) headers.set("Authorization", inBytes(`Bearer ${this.token}`));
    const response = await fetch(path, { ...options, headers }).catch((error) => {
      throw isAbort(error) ? error : new BridgeError(UNREACHABLE);
    });
    if (!response.ok) throw await failure(response);
    return response;
  }

  /** @param {string} path @returns {Promise<any>} The JSON that stands there. */
  async json(path) {
    return jsonOf(await this.fetch(path));
  }
}

/** @param {string} text @returns {string} Its UTF-8, a character for each byte, which is all that headers take. */
function inBytes(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** @param {Response} response */
async function failure(response) {
  const body = await response.json().catch(() => null);
  const entry = body?.errors?.[0] ?? body?.error;
  return errorOf(entry, { status: response.status, requestId: idOf(response) });
}
