// @ts-check
/** The request as a command of a shell. */

import { JSON_TEXT, literal } from "./literals.js";
import { runRequest } from "./run_request.js";
import { endpointOf, noteOf } from "./endpoint.js";

/** @typedef {import("./endpoint.js").Request} Request */

const SAFE = /^[\w@%+=:,./-]+$/;
const BEARER = (/** @type {string} */ name) => `-H "${name}: Bearer $RUNSTREAM_TOKEN"`;

/** @param {string} text @returns {string} One word of a shell, in which nothing means anything. */
export function word(text) {
  return SAFE.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** @param {Request} request */
export function curl(request) {
  const { url, body } = endpointOf(request);
  const head = body.stream ? `curl -N ${word(url)}` : `curl ${word(url)}`;
  return [head, ...(request.needsToken ? [BEARER("Authorization")] : []), data(body)].join(" \\\n  ");
}

/** @param {Request} request */
export function grpcurl({ grpc, ...asked }) {
  const { request, leftOut } = runRequest(asked);
  const method = asked.body.stream ? "RunStream" : "Run";
  const trust = grpc.is_tls ? "-cacert ca.pem" : "-plaintext";
  const target = `${word(grpc.address)} runstream.v1.TextGenerationService/${method}`;
  const parts = [`grpcurl ${trust}`, ...(grpc.needs_token ? [BEARER("authorization")] : []), data(request), target];
  return noteOf("#", leftOut, "RunRequest") + parts.join(" \\\n  ");
}

/** @param {Record<string, any>} body */
function data(body) {
  return `-d ${word(literal(body, JSON_TEXT, "  ", 5))}`;
}
