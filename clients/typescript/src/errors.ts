/**
 * Every error that a call of the service can end with.
 *
 *     RunstreamError
 *     ├── InvalidRequestError            INVALID_REQUEST
 *     │   ├── ContextWindowExceededError CONTEXT_WINDOW_EXCEEDED
 *     │   ├── UnsatisfiableFormatError   FORMAT_UNSATISFIABLE
 *     │   └── LoraUnsupportedError       LORA_UNSUPPORTED
 *     ├── ModelNotFoundError             MODEL_NOT_FOUND
 *     ├── WeightsMissingError            WEIGHTS_MISSING
 *     ├── ModelNotReadyError             MODEL_NOT_READY         has retryAfterS
 *     ├── QueueFullError                 QUEUE_FULL              has retryAfterS
 *     ├── RateLimitedError               RATE_LIMITED            has retryAfterS
 *     ├── DeadlineExceededError          DEADLINE_EXCEEDED       also at the client's own deadline
 *     ├── EngineFailedError              ENGINE_FAILED
 *     ├── InternalError                  INTERNAL
 *     ├── UnauthenticatedError           UNAUTHENTICATED
 *     ├── PermissionDeniedError          PERMISSION_DENIED
 *     ├── BatchNotFoundError             BATCH_NOT_FOUND
 *     ├── BatchesDisabledError           BATCHES_DISABLED
 *     ├── BatchItemCancelledError        CANCELLED               only of an item of a batch
 *     ├── UnreachableError               no reason: nothing answers there, or the connection broke
 *     ├── MessageTooLargeError           no reason: a message of more than 16 MiB
 *     └── CallCancelledError             no reason: the call was cancelled
 *
 * The second column is the `reason` that the service gives, as `ErrorReason` in errors.proto lists them.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./stubs/google/rpc/error_details_pb.js";

const DOMAIN = "runstream";
export const REQUEST_ID_HEADER = "x-runstream-request-id";

/** What an error tells besides its message. */
export interface ErrorFields {
  reason?: string;
  code?: Code;
  metadata?: Record<string, string>;
  field?: string;
  retryAfterS?: number | undefined;
  requestId?: string;
  cause?: unknown;
}

/** A call that has failed; its `message` says what is wrong and what to change. */
export class RunstreamError extends Error {
  static readonly defaultReason: string = "";
  static readonly defaultCode: Code = Code.Unknown;

  /** The stable reason that a program can test, such as "QUEUE_FULL"; empty for a failure of gRPC's own. */
  readonly reason: string;
  /** The gRPC status of the call. */
  readonly code: Code;
  /** What is dynamic in the message, by name. */
  readonly metadata: Record<string, string>;
  /** The field at fault, in the contract's words, such as "sampling_params.top_p"; empty if none is. */
  readonly field: string;
  /** After how many seconds another attempt may succeed; undefined if the service does not say. */
  readonly retryAfterS: number | undefined;
  /** The id under which the service's log has the request; empty if it has none. */
  readonly requestId: string;

  constructor(message: string, fields: ErrorFields = {}) {
    super(message, "cause" in fields ? { cause: fields.cause } : undefined);
    const own = new.target;
    this.name = own.name;
    this.reason = fields.reason ?? own.defaultReason;
    this.code = fields.code ?? own.defaultCode;
    this.metadata = fields.metadata ?? {};
    this.field = fields.field ?? "";
    this.retryAfterS = fields.retryAfterS;
    this.requestId = fields.requestId ?? "";
  }
}

/** A field is missing, out of range, or does not go together with another: `field` tells which. */
export class InvalidRequestError extends RunstreamError {
  static override readonly defaultReason: string = "INVALID_REQUEST";
  static override readonly defaultCode = Code.InvalidArgument;
}

/** The prompt, or the prompt and `maxTokens` together, have more tokens than fit. */
export class ContextWindowExceededError extends InvalidRequestError {
  static override readonly defaultReason = "CONTEXT_WINDOW_EXCEEDED";
}

/** No completion can have the form that was asked for, or this one does not. */
export class UnsatisfiableFormatError extends InvalidRequestError {
  static override readonly defaultReason = "FORMAT_UNSATISFIABLE";
}

/** A LoRA adapter is asked for, and the model that answers has none. */
export class LoraUnsupportedError extends InvalidRequestError {
  static override readonly defaultReason = "LORA_UNSUPPORTED";
}

/** The catalog does not name the model. */
export class ModelNotFoundError extends RunstreamError {
  static override readonly defaultReason = "MODEL_NOT_FOUND";
  static override readonly defaultCode = Code.NotFound;
}

/** The model's weights are not on the server's machine; the message tells how to fetch them. */
export class WeightsMissingError extends RunstreamError {
  static override readonly defaultReason = "WEIGHTS_MISSING";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The model is being loaded, could not be loaded, or the server stops. */
export class ModelNotReadyError extends RunstreamError {
  static override readonly defaultReason = "MODEL_NOT_READY";
  static override readonly defaultCode = Code.Unavailable;
}

/** As much waits as may: ask again after `retryAfterS`. */
export class QueueFullError extends RunstreamError {
  static override readonly defaultReason = "QUEUE_FULL";
  static override readonly defaultCode = Code.ResourceExhausted;
}

/** The token has asked for as much as it may: ask again after `retryAfterS`. `metadata` has which `limit` it is. */
export class RateLimitedError extends RunstreamError {
  static override readonly defaultReason = "RATE_LIMITED";
  static override readonly defaultCode = Code.ResourceExhausted;
}

/** The deadline passed before the answer was whole: ask for less, or give `timeoutS`. */
export class DeadlineExceededError extends RunstreamError {
  static override readonly defaultReason = "DEADLINE_EXCEEDED";
  static override readonly defaultCode = Code.DeadlineExceeded;
}

/** The engine failed while the request was running; the same request may make it fail again. */
export class EngineFailedError extends RunstreamError {
  static override readonly defaultReason = "ENGINE_FAILED";
  static override readonly defaultCode = Code.Internal;
}

/** Something unforeseen, which the server's log tells under `requestId`. */
export class InternalError extends RunstreamError {
  static override readonly defaultReason = "INTERNAL";
  static override readonly defaultCode = Code.Internal;
}

/** The call carries no token, or one that the service does not know or that has expired. */
export class UnauthenticatedError extends RunstreamError {
  static override readonly defaultReason = "UNAUTHENTICATED";
  static override readonly defaultCode = Code.Unauthenticated;
}

/** The call's token is good, but not for the account that it names, or not for what it asks. */
export class PermissionDeniedError extends RunstreamError {
  static override readonly defaultReason = "PERMISSION_DENIED";
  static override readonly defaultCode = Code.PermissionDenied;
}

/** The account has no batch with this id, or it has expired. */
export class BatchNotFoundError extends RunstreamError {
  static override readonly defaultReason = "BATCH_NOT_FOUND";
  static override readonly defaultCode = Code.NotFound;
}

/** The service keeps no batches. */
export class BatchesDisabledError extends RunstreamError {
  static override readonly defaultReason = "BATCHES_DISABLED";
  static override readonly defaultCode = Code.FailedPrecondition;
}

/** The item's batch was cancelled before the item had its result. */
export class BatchItemCancelledError extends RunstreamError {
  static override readonly defaultReason = "CANCELLED";
  static override readonly defaultCode = Code.Canceled;
}

/** Nothing answers at the address, or the connection broke. A first attempt can wait with `waitForReady`. */
export class UnreachableError extends RunstreamError {
  static override readonly defaultCode = Code.Unavailable;
}

/** The request or its answer has more than 16 MiB. */
export class MessageTooLargeError extends RunstreamError {
  static override readonly defaultCode = Code.ResourceExhausted;
}

/** The call was cancelled: by its signal, its stream was left, its client closed, or the server ended it. */
export class CallCancelledError extends RunstreamError {
  static override readonly defaultCode = Code.Canceled;
}

// What OpenSSL says of bytes that are none of TLS.
const NO_TLS = new Set(["ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG", "ERR_SSL_UNKNOWN_PROTOCOL"]);

type ErrorClass = new (message: string, fields?: ErrorFields) => RunstreamError;

/** The class of each reason. */
const BY_REASON: ReadonlyMap<string, ErrorClass> = new Map(
  [
    InvalidRequestError,
    ContextWindowExceededError,
    UnsatisfiableFormatError,
    LoraUnsupportedError,
    ModelNotFoundError,
    WeightsMissingError,
    ModelNotReadyError,
    QueueFullError,
    RateLimitedError,
    DeadlineExceededError,
    EngineFailedError,
    InternalError,
    UnauthenticatedError,
    PermissionDeniedError,
    BatchNotFoundError,
    BatchesDisabledError,
    BatchItemCancelledError,
  ].map((kind) => [kind.defaultReason, kind]),
);

const NO_AUTHORITY = "the certificate is of no authority that is trusted: give the PEM of its authority as ca";
// What to change where a certificate is not trusted, by Node's code.
const CERTIFICATE_ADVICE: ReadonlyMap<string, string> = new Map([
  ["ERR_TLS_CERT_ALTNAME_INVALID", "the certificate is for other hosts: give a target that it names"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", NO_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", NO_AUTHORITY],
  ["SELF_SIGNED_CERT_IN_CHAIN", NO_AUTHORITY],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", NO_AUTHORITY],
]);

// What the library says by itself. Aborted is its word for a connection that broke.
const BY_CODE: ReadonlyMap<Code, ErrorClass> = new Map<Code, ErrorClass>([
  [Code.Unavailable, UnreachableError],
  [Code.Aborted, UnreachableError],
  [Code.ResourceExhausted, MessageTooLargeError],
  [Code.DeadlineExceeded, DeadlineExceededError],
  [Code.Canceled, CallCancelledError],
]);

/** The error of a reason, such as an item of a batch has; a `RunstreamError` for one that is newer than this. */
export function fromReason(reason: string, message: string): RunstreamError {
  return new (BY_REASON.get(reason) ?? RunstreamError)(message, { reason });
}

/** The error that a call has ended with, with what its google.rpc details tell. */
export function fromConnect(thrown: unknown): RunstreamError {
  if (thrown instanceof RunstreamError) return thrown;
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find((found) => found.domain === DOMAIN);
  const requestId = error.metadata.get(REQUEST_ID_HEADER) ?? "";
  if (info === undefined) {
    if (isBroken(error)) return new UnreachableError(whyBroken(error), { requestId, cause: error });
    const kind = BY_CODE.get(error.code) ?? RunstreamError;
    const code = kind === UnreachableError ? {} : { code: error.code };
    return new kind(error.rawMessage || Code[error.code], { ...code, requestId, cause: error });
  }
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return new (BY_REASON.get(info.reason) ?? RunstreamError)(error.rawMessage || Code[error.code], {
    reason: info.reason,
    code: error.code,
    metadata: { ...info.metadata },
    field: error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field ?? "",
    retryAfterS: delay && durationMs(delay) / 1000,
    requestId: info.metadata["request_id"] || requestId,
    cause: error,
  });
}

// A failure of sockets or TLS carries Node's own error. The library calls streams that a lost connection ended
// Canceled; a status that the server gave stands in its metadata.
function isBroken(error: ConnectError): boolean {
  if (error.metadata.has("grpc-status")) return false;
  return error.code === Code.Canceled || (error.code === Code.Internal && nodeError(error) !== undefined);
}

function whyBroken(error: ConnectError): string {
  if (error.code === Code.Canceled) {
    return (
      "the connection broke before the answer was whole: the service has ended, or does it speak TLS? give tls or ca, " +
      "or cert and key in tls where it asks for a certificate"
    );
  }
  const { code = "", reason } = nodeError(error) ?? {};
  if (code === "ERR_HTTP2_ERROR") {
    return `what answers there is no gRPC service (${error.rawMessage}): give the service's address, not that of HTTP`;
  }
  if (NO_TLS.has(code)) return "what answers there has no TLS: leave out tls and ca, or give the port that has it";
  const advice = CERTIFICATE_ADVICE.get(code);
  if (advice !== undefined) return `${advice}: ${error.rawMessage.trim()}`;
  // OpenSSL's own messages are lines with the file and line of its source.
  return code.startsWith("ERR_SSL_") && reason ? `TLS failed: ${reason}` : error.rawMessage || Code[error.code];
}

function nodeError(error: ConnectError): (NodeJS.ErrnoException & { reason?: string }) | undefined {
  const { cause } = error;
  return cause instanceof Error && typeof (cause as NodeJS.ErrnoException).code === "string" ? cause : undefined;
}
