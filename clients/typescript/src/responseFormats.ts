/** The form that an answer must have, and what becomes of a text that has it. */
import { create } from "@bufbuild/protobuf";

import { isTypedSchema, type JsonSchema, parseTyped, schemaJson, type TypedSchema } from "./schemas.js";
import { checkNames } from "./spelling.js";
import {
  type ResponseFormat as Message,
  ResponseFormatSchema,
  type RunRequest,
} from "./stubs/runstream/v1/text_generation_pb.js";
import { isObject, list, text } from "./values.js";

/** A text that a regular expression matches as a whole: 1 to 4,096 characters. It is not one of JavaScript's. */
export class Regex {
  constructor(readonly pattern: string) {}
}

/** One of some texts, 1 to 1,024: `new Choice("yes", "no")`. */
export class Choice {
  readonly values: readonly string[];

  constructor(...values: string[]) {
    this.values = values;
  }
}

/**
 * A schema of zod's; a JSON Schema as object or JSON; "json_object" for any object; OpenAI's objects with type
 * "json_object", "json_schema" or "text"; a `Regex`; a `Choice`.
 */
export type ResponseFormat<T> = TypedSchema<T> | JsonSchema | string | Regex | Choice;

/** A form of the contract; throws a TypeError if it is none. */
export function toResponseFormat(form: unknown, where: string): Message {
  if (form instanceof Regex) return made({ case: "regex", value: text(form.pattern, `${where}.pattern`) });
  if (form instanceof Choice) {
    return made({ case: "choice", value: { values: list(text)(form.values, `${where}.values`) } });
  }
  if (form === "json_object") return made({ case: "jsonObject", value: {} });
  if (isObject(form) && !isTypedSchema(form)) {
    const openai = fromOpenAi(form, where);
    if (openai) return openai;
  }
  return made({ case: "jsonSchema", value: schemaJson(form, where) });
}

function fromOpenAi(form: JsonSchema, where: string): Message | undefined {
  const { type, json_schema: described } = form;
  if (type !== "text" && type !== "json_object" && type !== "json_schema") return undefined;
  checkNames(form, type === "json_schema" ? ["type", "json_schema"] : ["type"], where);
  if (type === "text") return create(ResponseFormatSchema);
  if (type === "json_object") return made({ case: "jsonObject", value: {} });
  return made({ case: "jsonSchema", value: describedJson(described, `${where}.json_schema`) });
}

function describedJson(described: unknown, where: string): string {
  // No keyword of JSON Schema is called `schema` or `name`: what has one of them is OpenAI's envelope around a schema.
  if (isTypedSchema(described) || !isObject(described) || !("schema" in described || isText(described["name"]))) {
    return schemaJson(described, where);
  }
  checkNames(described, ["name", "description", "schema", "strict"], where);
  return schemaJson(described["schema"], `${where}.schema`);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

type Init = Exclude<NonNullable<Parameters<typeof create<typeof ResponseFormatSchema>>[1]>["format"], undefined>;

function made(format: Init): Message {
  return create(ResponseFormatSchema, { format });
}

/** What turns an answer of a form, as a request was made of it, into its value; undefined for plain text. */
export function parser<T>(form: ResponseFormat<T> | undefined, request: RunRequest): ((text: string) => T) | undefined {
  if (isTypedSchema(form)) return (text) => parseTyped(form as TypedSchema<T>, text);
  const kind = request.responseFormat?.format.case;
  return kind === "jsonObject" || kind === "jsonSchema" ? (text) => JSON.parse(text) as T : undefined;
}
