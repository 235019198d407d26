// @ts-check
/** What tools must be for the bridge to take them. */

import { isObject } from "./json_text.js";
import { functionOf } from "./tool_spelling.js";

const NAME = /^[a-zA-Z0-9_.:/-]{1,256}$/;
const MAX_TOOLS = 128;

/** @param {string} name @returns {string} What is wrong with it; empty if nothing is. */
export function wrongName(name) {
  if (NAME.test(name)) return "";
  return "A name has 1 to 256 letters, digits or _ . : / - and nothing else.";
}

/** @param {any} parameters @returns {string} As `wrongName`. */
export function wrongParameters(parameters) {
  return isObject(parameters) ? "" : "Parameters are a JSON Schema, an object in braces.";
}

/** @param {any} tools @returns {string} As `wrongName`. */
export function wrongTools(tools) {
  if (!Array.isArray(tools)) return "Tools are a list in brackets.";
  if (tools.length > MAX_TOOLS) return `There are ${tools.length} tools; a request may have ${MAX_TOOLS}.`;
  for (const [index, tool] of tools.entries()) {
    const words = wrongTool(tool);
    if (words) return `Tool ${index + 1}: ${words}`;
  }
  return wrongNames(tools.map((tool) => functionOf(tool).name));
}

/** @param {string[]} names @returns {string} As `wrongName`. */
export function wrongNames(names) {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? "" : `Two tools have the name ${twice}.`;
}

/** @param {any} tool */
function wrongTool(tool) {
  if (!isObject(tool) || (tool.function !== undefined && !isObject(tool.function))) return "A tool is an object in braces.";
  const { name, description = "", parameters = {} } = functionOf(tool);
  if (typeof name !== "string") return "It has no name.";
  if (typeof (description ?? "") !== "string") return "Its description is no text.";
  return wrongName(name) || wrongParameters(parameters ?? {});
}
