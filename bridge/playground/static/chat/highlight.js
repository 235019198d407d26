// @ts-check
/** Colours for code, in the languages that answers are likely to have. */

import hljs from "../vendor/highlight.js/core.min.js";
import bash from "../vendor/highlight.js/languages/bash.min.js";
import go from "../vendor/highlight.js/languages/go.min.js";
import java from "../vendor/highlight.js/languages/java.min.js";
import javascript from "../vendor/highlight.js/languages/javascript.min.js";
import json from "../vendor/highlight.js/languages/json.min.js";
import python from "../vendor/highlight.js/languages/python.min.js";
import rust from "../vendor/highlight.js/languages/rust.min.js";
import sql from "../vendor/highlight.js/languages/sql.min.js";
import typescript from "../vendor/highlight.js/languages/typescript.min.js";
import xml from "../vendor/highlight.js/languages/xml.min.js";
import yaml from "../vendor/highlight.js/languages/yaml.min.js";

const GRAMMARS = { bash, go, java, javascript, json, python, rust, sql, typescript, xml, yaml };

for (const [name, grammar] of Object.entries(GRAMMARS)) hljs.registerLanguage(name, grammar);

/**
 * Code as HTML with classes for its colours.
 *
 * @param {string} code
 * @param {string} [language] As the block's fence says it, such as "py".
 * @returns {string | undefined} Undefined if there are no colours for it.
 */
export function highlighted(code, language = "") {
  return hljs.getLanguage(language) && hljs.highlight(code, { language }).value;
}
