/** Runstream for Node.js: `Client`, its errors and its types. `runstream/v1` has the messages and stubs of the contract. */
export { Code, createClient } from "@connectrpc/connect";

export type { Batch, BatchItem, BatchResult, BatchState, CreateBatchOptions, WaitOptions } from "./batches.js";
export type { CallOptions, ListOptions } from "./calls.js";
export { Client, type ClientOptions, type RunOptions } from "./client.js";
export {
  BatchesDisabledError,
  BatchItemCancelledError,
  BatchNotFoundError,
  CallCancelledError,
  ContextWindowExceededError,
  DeadlineExceededError,
  EngineFailedError,
  InternalError,
  InvalidRequestError,
  LoraUnsupportedError,
  MessageTooLargeError,
  ModelNotFoundError,
  ModelNotReadyError,
  PermissionDeniedError,
  QueueFullError,
  RateLimitedError,
  RunstreamError,
  UnauthenticatedError,
  UnreachableError,
  UnsatisfiableFormatError,
  WeightsMissingError,
} from "./errors.js";
export type { Message, OpenAiToolCall, TextPart, ToolCall } from "./messages.js";
export type { AnswerShape, Model, ModelState, SpeculativeMethod, Trial, TrialOutcome } from "./models.js";
export { type CompletionOptions, makeRequest, type PromptOptions, type RequestOptions, type SamplingOptions } from "./requests.js";
export { Choice, Regex, type ResponseFormat } from "./responseFormats.js";
export { type FinishReason, type Part, RunResult, type TokenCount, type ToolCallDelta, type Usage } from "./results.js";
export type { JsonSchema, TypedSchema } from "./schemas.js";
export type { Stream } from "./streams.js";
export type { OpenAiTool, Tool, ToolChoice } from "./tools.js";
