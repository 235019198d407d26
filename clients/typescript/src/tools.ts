/** Tools and the choice among them, in this client's words or in OpenAI's. */
import { create } from "@bufbuild/protobuf";

import { type JsonSchema, schemaJson, type TypedSchema } from "./schemas.js";
import { checkNames, shown } from "./spelling.js";
import {
  type Tool as ContractTool,
  type ToolChoice as ContractToolChoice,
  ToolChoiceMode,
  ToolChoiceSchema,
  ToolSchema,
} from "./stubs/runstream/v1/text_generation_pb.js";

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

const MODES = new Map([
  ["auto", ToolChoiceMode.AUTO],
  ["none", ToolChoiceMode.NONE],
  ["required", ToolChoiceMode.REQUIRED],
]);

/** A tool of the contract; throws a TypeError if it has a key or a value that no tool has. */
export function toTool(tool: Tool | OpenAiTool, where: string): ContractTool {
  if ("function" in tool) checkNames(tool, ["type", "function"], where);
  const own = "function" in tool ? tool.function : tool;
  checkNames(own, ["type", "name", "description", "parameters"], where);
  if (typeof own.name !== "string") throw new TypeError(`${where} has no name`);
  return create(ToolSchema, {
    name: own.name,
    description: own.description ?? "",
    parametersJson: own.parameters === undefined ? "" : schemaJson(own.parameters, `${where}.parameters`),
  });
}

/** A choice of the contract; throws a TypeError if it is none. */
export function toToolChoice(choice: ToolChoice): ContractToolChoice {
  const mode = typeof choice === "string" ? MODES.get(choice) : undefined;
  if (mode !== undefined) return create(ToolChoiceSchema, { choice: { case: "mode", value: mode } });
  const name = typeof choice === "string" ? choice : choice?.function?.name;
  if (typeof name === "string") return create(ToolChoiceSchema, { choice: { case: "name", value: name } });
  throw new TypeError(`toolChoice is ${shown(choice)}: give "auto", "none", "required" or the name of a tool`);
}
