/** Where the playground's editors say that a text stops being JSON, beside where V8 says so. Prints both, as JSON. */

import { pathToFileURL } from "node:url";

const { firstFault } = await import(new URL("json_fault.js", `${pathToFileURL(process.argv[2]).href}/`));

const TEXT = `{"a": [1, -2.5e3, true],\n "b\\n\\u00e9": {"c": null,\n\t"d": ["", {}]}}`;
const PUT = ["", ",", '"', "\\", "}", "x", "0", "\n", " "];

const compared = [];
for (let index = 0; index < TEXT.length; index += 1) {
  for (const put of PUT) {
    for (const skipped of [0, 1]) {
      const text = TEXT.slice(0, index) + put + TEXT.slice(index + skipped);
      const position = faultOf(text);
      if (position !== undefined) compared.push({ text, position, ...firstFault(text) });
    }
  }
}

/** Of what V8 tells the place; undefined for the rest, and for what is JSON. */
function faultOf(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    const found = /position (\d+)/.exec(error.message);
    return found ? Number(found[1]) : undefined;
  }
  return undefined;
}

const deep = "[".repeat(100_000);
console.log(JSON.stringify({ compared, deep: firstFault(deep).reason, empty: firstFault(" \n ") }));
