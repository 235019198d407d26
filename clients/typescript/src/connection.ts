/** How a client reaches the service: its address, TLS, its token. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ClientHttp2Stream, SecureClientSessionOptions } from "node:http2";
import { isIPv4 } from "node:net";

import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { checked, flag, isObject, shown, text } from "./values.js";

export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** What calls of a closed client end with. */
export const CLOSED = "the client was closed: make another one";
const DEFAULT_TARGET = "127.0.0.1:50051";

/** Where the service is and how it is reached. */
export interface ConnectionOptions {
  /** host:port; "127.0.0.1:50051" if neither this nor `baseUrl` is given. */
  target?: string | undefined;
  /** The same as an URL without a path: http://… for plain text, https://… for TLS. */
  baseUrl?: string | undefined;
  /** The service's token. Refused without TLS beyond this machine. */
  token?: string | undefined;
  /** Whom calls act for, if the token is for several; else the token's own account, or without a token "local". */
  account?: string | undefined;
  /** Whether `target` is reached by TLS; or Node's options of it, such as `cert` and `key` of the client's own. */
  tls?: boolean | SecureClientSessionOptions | undefined;
  /** The PEM certificates to trust instead of the well-known authorities'; it implies TLS. */
  ca?: string | Buffer | undefined;
  /** Whether the token may be sent in clear text to other machines. */
  allowPlaintextToken?: boolean | undefined;
}

/** A connection that is made with the first call, and again when it must be until it is closed. */
export interface Connection {
  transport: Transport;
  /** Aborted once it is closed. */
  closed: AbortSignal;
  /** Ends what is running and closes it for good. */
  close(): void;
}

/**
 * Checks what a client is made with, without connecting.
 *
 * @throws TypeError: the address can't be read, or the token would be sent in clear text.
 */
export function connect(options: ConnectionOptions): Connection {
  checked(options, { target: text, baseUrl: text, token: text, account: text, allowPlaintextToken: flag, tls: flagOrObject });
  const url = toUrl(options);
  const { token, account, ca } = options;
  if (token && url.protocol === "http:" && !isLoopback(url) && !options.allowPlaintextToken) {
    throw new TypeError(
      `the token would be sent to ${url.host} in clear text: give tls: true or the server's ca, ` +
        "or allowPlaintextToken: true if nobody else can read on the way",
    );
  }
  if (token && !/^[!-~]+$/.test(token)) {
    throw new TypeError("the token is not one of visible ASCII characters: it may have a line end from its file");
  }
  if (account && !/^[!-~]+$/.test(account)) {
    throw new TypeError(`account is ${shown(account)}: give visible ASCII characters, or leave it out`);
  }
  if (ca !== undefined && !(typeof ca === "string" || Buffer.isBuffer(ca))) {
    throw new TypeError(`ca is ${shown(ca)}: give PEM, as a text or a Buffer`);
  }
  if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new TypeError("ca holds no certificate: give PEM, with a line -----BEGIN CERTIFICATE-----, not its path");
  }
  const nodeOptions = { ...(typeof options.tls === "object" && options.tls), ...(ca !== undefined && { ca }) };
  // A whole answer writes nothing while it is generated: pings tell a slow service from one that is gone.
  const pings = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
  const sessionManager = new SessionManager(url, pings, nodeOptions);
  const closing = new AbortController();
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    sessionManager,
    interceptors: [refuseOnceClosed(closing.signal), rememberEnd, ...headers(token, account)],
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
  });
  const close = (): void => {
    closing.abort();
    sessionManager.abort();
  };
  return { transport, closed: closing.signal, close };
}

// The signal that the library aborts at the end of the call for which it asks for a stream.
const endOfCall = new AsyncLocalStorage<AbortSignal>();

const rememberEnd: Interceptor = (next) => (request) => endOfCall.run(request.signal, () => next(request));

// The library leaves a broken connection without a listener as it makes the next; its error would end the process.
// And what is unread of a call that has ended keeps its stream, and so the process, alive.
class SessionManager extends Http2SessionManager {
  override async request(...sent: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const ended = endOfCall.getStore();
    const stream = await super.request(...sent);
    ended?.addEventListener("abort", () => {
      if (!stream.readableEnded) stream.destroy();
    });
    const { session } = stream;
    if (session && !session.listeners("error").includes(isTold)) session.on("error", isTold);
    return stream;
  }
}

// The stream has the same error.
function isTold(): void {}

function toUrl(options: ConnectionOptions): URL {
  const { target, baseUrl, ca } = options;
  const hasTls = ca !== undefined || Boolean(options.tls);
  if (target !== undefined && baseUrl !== undefined) throw new TypeError("give one of target and baseUrl, not both");
  const text = baseUrl ?? `${hasTls ? "https" : "http"}://${target ?? DEFAULT_TARGET}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isAddress = url && /^https?:$/.test(url.protocol) && url.hostname && url.href === `${url.origin}/`;
  if (!isAddress || (baseUrl === undefined && !/:\d+$/.test(text))) {
    const given = JSON.stringify(baseUrl ?? target);
    throw new TypeError(`${given} is no address: give target as host:port, or baseUrl as https://host:port`);
  }
  if (hasTls && url.protocol === "http:") throw new TypeError(`${text} has no TLS: give baseUrl with https://`);
  return url;
}

function flagOrObject(value: unknown, where: string): unknown {
  return isObject(value) ? value : flag(value, where);
}

function isLoopback(url: URL): boolean {
  const { hostname } = url;
  return hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
}

// The library connects again after it was told to close.
function refuseOnceClosed(closed: AbortSignal): Interceptor {
  return (next) => async (request) => {
    if (closed.aborted) throw new ConnectError(CLOSED, Code.Canceled);
    return next(request);
  };
}

function headers(token: string | undefined, account: string | undefined): Interceptor[] {
  const own: Record<string, string> = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(account && { "x-runstream-account": account }),
  };
  return Object.entries(own).map(([name, value]) => (next) => (request) => {
    request.header.set(name, value);
    return next(request);
  });
}
