// @ts-check
/** A request as code in several languages, printed as it would be typed. */

import { typescript, worker } from "./javascript.js";
import { pythonCloudflare, pythonOpenAi, pythonRequests } from "./python.js";
import { curl, grpcurl } from "./shell.js";

/** @typedef {import("./endpoint.js").Request} Request */

/** The kinds of code: what each is called, and the language of its colours. */
export const KINDS = [
  { id: "curl", label: "curl", language: "bash", write: curl },
  { id: "python-requests", label: "Python requests", language: "python", write: pythonRequests },
  { id: "python-cloudflare", label: "Python cloudflare", language: "python", write: pythonCloudflare },
  { id: "python-openai", label: "Python openai", language: "python", write: pythonOpenAi },
  { id: "typescript", label: "TypeScript", language: "typescript", write: typescript },
  { id: "worker", label: "Worker", language: "javascript", write: worker },
  { id: "grpcurl", label: "grpcurl", language: "bash", write: grpcurl },
];

/**
 * A request as code that sends it and prints the answer.
 *
 * @param {string} kind The id of one of KINDS.
 * @param {Request} request
 * @returns {string} The token stands in it as the variable RUNSTREAM_TOKEN of the environment, if one is needed.
 */
export function codeFor(kind, request) {
  const { write } = /** @type {(typeof KINDS)[0]} */ (KINDS.find(({ id }) => id === kind));
  const { stream, ...whole } = request.body;
  return write({ ...request, body: stream ? request.body : whole });
}
