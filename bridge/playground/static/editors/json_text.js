// @ts-check
/** JSON as users read and write it. */

/** @param {any} value @returns {string} As a user reads it. */
export function written(value) {
  return JSON.stringify(value, null, 2);
}

/** @param {any} value */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string} text @returns {any} Its value; undefined if it is no JSON. */
export function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
