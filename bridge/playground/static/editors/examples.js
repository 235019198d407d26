// @ts-check
/** What the editors can begin with. */

/** JSON Schemas, by name. */
export const SCHEMAS = {
  Person: {
    type: "object",
    properties: { name: { type: "string", maxLength: 40 }, age: { type: "integer", minimum: 0, maximum: 130 } },
    required: ["name", "age"],
    additionalProperties: false,
  },
  Sentiment: {
    type: "object",
    properties: {
      sentiment: { enum: ["positive", "neutral", "negative"] },
      score: { type: "number", minimum: 0, maximum: 1 },
    },
    required: ["sentiment", "score"],
    additionalProperties: false,
  },
  "List of cities": {
    type: "array",
    items: {
      type: "object",
      properties: { city: { type: "string", maxLength: 40 }, country: { type: "string", maxLength: 40 } },
      required: ["city", "country"],
      additionalProperties: false,
    },
    minItems: 1,
    maxItems: 5,
  },
};

/** Tools, by name. */
export const TOOLS = {
  Weather: {
    name: "get_weather",
    description: "Tells the weather of a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 40 }, unit: { enum: ["celsius", "fahrenheit"] } },
      required: ["city", "unit"],
      additionalProperties: false,
    },
  },
  Clock: {
    name: "get_time",
    description: "Tells what time it is somewhere.",
    parameters: {
      type: "object",
      properties: { timezone: { type: "string", description: "Such as Europe/Berlin.", maxLength: 40 } },
      required: ["timezone"],
      additionalProperties: false,
    },
  },
};

/**
 * Buttons that insert them.
 *
 * @template T
 * @param {Record<string, T>} examples
 * @param {(example: T) => void} insert
 * @returns {HTMLElement}
 */
export function exampleButtons(examples, insert) {
  const row = document.createElement("div");
  row.className = "examples row";
  row.append("Insert:");
  for (const [name, example] of Object.entries(examples)) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: name });
    button.addEventListener("click", () => insert(example));
    row.append(button);
  }
  return row;
}
