/** JSON Schemas as a user has them: objects, JSON, or what zod and other libraries make. */
import { isObject, shown, text } from "./values.js";

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Record<string, unknown>;

/**
 * What a library's schema must have to stand for a JSON Schema and to check a value: zod's have it from 4.2 on. It is a
 * part of https://standardschema.dev.
 */
export interface TypedSchema<T> {
  readonly "~standard": {
    readonly jsonSchema: { readonly input: (options: { readonly target: "draft-2020-12" }) => JsonSchema };
    readonly validate: (value: unknown) => Checked<T> | Promise<Checked<T>>;
  };
}

type Checked<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<{ readonly message: string; readonly path?: ReadonlyArray<unknown> | undefined }> };

/** Whether a value is a library's schema. */
export function isTypedSchema(value: unknown): value is TypedSchema<unknown> {
  return typeof value === "object" && value !== null && "~standard" in value;
}

/**
 * A JSON Schema as JSON.
 *
 * @throws TypeError: it is none.
 */
export function schemaJson(schema: unknown, where: string): string {
  if (typeof schema === "string") return text(schema, where);
  if (isTypedSchema(schema)) {
    const { jsonSchema } = schema["~standard"];
    if (jsonSchema === undefined) {
      throw new TypeError(`${where} can't be made a JSON Schema by itself: give the one that its library makes of it`);
    }
    return written(() => jsonSchema.input({ target: "draft-2020-12" }), where);
  }
  if (isObject(schema)) return written(() => schema, where);
  throw new TypeError(`${where} is ${shown(schema)}: give a JSON Schema, or one of zod's schemas`);
}

function written(schema: () => JsonSchema, where: string): string {
  try {
    return JSON.stringify(schema());
  } catch (error) {
    throw new TypeError(`${where} can't be made a JSON Schema: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The value of a text, checked by a library's schema.
 *
 * @throws TypeError: it does not fit, or the schema checks asynchronously.
 * @throws SyntaxError: it is no JSON.
 */
export function parseTyped<T>(schema: TypedSchema<T>, text: string): T {
  const checked = schema["~standard"].validate(JSON.parse(text));
  if (checked instanceof Promise) throw new TypeError("the schema checks asynchronously: parse `text` with it yourself");
  if (checked.issues === undefined) return checked.value;
  const issues = checked.issues.map((issue) => `${(issue.path ?? []).map(pathKey).join(".")}: ${issue.message}`);
  throw new TypeError(`the answer does not fit its schema: ${issues.join("; ")}`);
}

function pathKey(segment: unknown): string {
  return String(typeof segment === "object" && segment !== null && "key" in segment ? segment.key : segment);
}
