// @ts-check
/**
 * The two spellings of a tool.
 *
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} [description]
 * @property {object} [parameters] A JSON Schema.
 */

/** @param {any} tool In Workers AI's spelling or in OpenAI's. @returns {Tool} In the former. */
export function functionOf(tool) {
  return tool.function ?? tool;
}
