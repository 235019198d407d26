/** Tools and the choice among them, in this client's words or in OpenAI's. */
import { create } from "@bufbuild/protobuf";

import { type JsonSchema, schemaJson, type TypedSchema } from "./schemas.js";
import { checkNames } from "./spelling.js";
import {
  type Tool as ContractTool,
  type ToolChoice as ContractToolChoice,
  ToolChoiceMode,
  ToolChoiceSchema,
  ToolSchema,
} from "./stubs/runstream/v1/text_generation_pb.js";
import { isObject, object, optional, shown, text } from "./values.js";

/** A tool that the model may call. */
export interface Tool {
  /** Its name: 1 to 256 letters, digits, "_", "-", ".", ":" and "/". */
  name: string;
  /** What it does, for the model to read. */
  description?: string | undefined;
  /** The JSON Schema of its arguments, as an object, JSON or a schema of zod's; none for no arguments. */
  parameters?: JsonSchema | string | TypedSchema<unknown> | undefined;
}

/** A tool as OpenAI's API has it. */
export interface OpenAiTool {
  type: "function";
  function: Tool;
}

/** "auto", "none", "required", the name of a tool, or OpenAI's object with it. */
export type ToolChoice = string | { type: "function"; function: { name: string } };

const MODES = new Map<unknown, ToolChoiceMode>([
  ["auto", ToolChoiceMode.AUTO],
  ["none", ToolChoiceMode.NONE],
  ["required", ToolChoiceMode.REQUIRED],
]);

/** A tool of the contract; throws a TypeError if it has a key or a value that no tool has. */
export function toTool(value: unknown, where: string): ContractTool {
  const { type, function: inner, ...plain } = object(value, where);
  checkFunctionType(type, where);
  if (inner !== undefined) checkNames(value, ["type", "function"], where);
  const own = inner === undefined ? plain : object(inner, `${where}.function`);
  checkNames(own, ["name", "description", "parameters"], where);
  const { name, description, parameters } = own;
  return create(ToolSchema, {
    name: text(name, `${where}.name`),
    description: optional(text)(description, `${where}.description`) ?? "",
    parametersJson: parameters === undefined ? "" : schemaJson(parameters, `${where}.parameters`),
  });
}

/** Throws a TypeError for the type of a tool, a choice or a call that is given, and not that of functions. */
export function checkFunctionType(type: unknown, where: string): void {
  if ((type ?? "function") === "function") return;
  throw new TypeError(`${where}.type is ${shown(type)}: models here call functions only`);
}

/** A choice of the contract; throws a TypeError if it is none. */
export function toToolChoice(choice: unknown, where: string): ContractToolChoice {
  const mode = MODES.get(choice);
  if (mode !== undefined) return create(ToolChoiceSchema, { choice: { case: "mode", value: mode } });
  const name = isObject(choice) ? nameInChoice(choice, where) : choice;
  if (typeof name === "string") return create(ToolChoiceSchema, { choice: { case: "name", value: text(name, where) } });
  throw new TypeError(`${where} is ${shown(choice)}: give "auto", "none", "required" or the name of a tool`);
}

function nameInChoice(choice: Record<string, unknown>, where: string): unknown {
  checkFunctionType(choice["type"], where);
  checkNames(choice, ["type", "function"], where);
  const inner = choice["function"];
  if (!isObject(inner)) return undefined;
  checkNames(inner, ["name"], `${where}.function`);
  return inner["name"];
}
