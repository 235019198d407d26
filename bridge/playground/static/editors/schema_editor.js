// @ts-check
/** Where the schema of an answer is written. */

import { edit } from "./editor_dialog.js";
import { SCHEMAS, exampleButtons } from "./examples.js";
import { JsonArea } from "./json_area.js";
import { isObject, written } from "./json_text.js";

/**
 * @param {any} schema Undefined for none yet.
 * @param {string} problem What the bridge has said of it; empty for nothing.
 * @returns {Promise<any>} Undefined if it stays as it is.
 */
export function editSchema(schema, problem) {
  const area = new JsonArea("JSON Schema", whatIsWrong);
  if (schema !== undefined) area.text = written(schema);
  const content = document.createElement("div");
  content.className = "stack";
  content.append(area.element, exampleButtons(SCHEMAS, (example) => (area.text = written(example))));
  return edit({
    title: "Schema of the answer",
    help: "The answer is JSON that fits it, whatever the model would rather say.",
    problem,
    content,
    focus: () => area.focus(),
    read: () => area.readOrPoint(),
  });
}

/** @param {any} value */
function whatIsWrong(value) {
  if (isObject(value) || typeof value === "boolean") return "";
  return 'A JSON Schema is an object in braces, such as {"type": "object"}.';
}
