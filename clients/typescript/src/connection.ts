/** How a client reaches the service: its address, TLS, its token. */
import type { SecureClientSessionOptions } from "node:http2";
import { isIPv4 } from "node:net";

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
export const DEFAULT_TARGET = "127.0.0.1:50051";

/** Where the service is and how it is reached. */
export interface ConnectionOptions {
  /** host:port; "127.0.0.1:50051" if neither this nor `baseUrl` is given. */
  target?: string | undefined;
  /** The same as an URL without a path: http://… for plain text, https://… for TLS. */
  baseUrl?: string | undefined;
  /** The service's token. Refused without TLS beyond this machine. */
  token?: string | undefined;
  /** Whether `target` is reached by TLS; or Node's options of it, such as `cert` and `key` of the client's own. */
  tls?: boolean | SecureClientSessionOptions | undefined;
  /** The PEM certificates to trust instead of the well-known authorities'; it implies TLS. */
  ca?: string | Buffer | undefined;
  /** Whether the token may be sent in clear text to other machines. */
  allowPlaintextToken?: boolean | undefined;
}

/** A connection that is made with the first call, and again when it must be. */
export interface Connection {
  transport: Transport;
  /** Ends what is running and closes it. */
  close(): void;
}

/**
 * Checks what a client is made with, without connecting.
 *
 * @throws TypeError: the address can't be read, or the token would be sent in clear text.
 */
export function connect(options: ConnectionOptions): Connection {
  const url = toUrl(options);
  const { token, ca } = options;
  if (token && url.protocol === "http:" && !isLoopback(url) && !options.allowPlaintextToken) {
    throw new TypeError(
      `the token would be sent to ${url.host} in clear text: give tls: true or the server's ca, ` +
        "or allowPlaintextToken: true if nobody else can read on the way",
    );
  }
  if (token && !/^[!-~]+$/.test(token)) {
    throw new TypeError("the token is not one of visible ASCII characters: it may have a line end from its file");
  }
  if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new TypeError("ca holds no certificate: give PEM, with a line -----BEGIN CERTIFICATE-----, not its path");
  }
  const nodeOptions = { ...(typeof options.tls === "object" && options.tls), ...(ca !== undefined && { ca }) };
  // A whole answer writes nothing while it is generated: pings tell a slow service from one that is gone.
  const pings = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
  const sessionManager = new Http2SessionManager(url, pings, nodeOptions);
  const transport = createGrpcTransport({
    baseUrl: url.origin,
    sessionManager,
    interceptors: token ? [bearer(token)] : [],
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
  });
  return { transport, close: () => sessionManager.abort() };
}

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

function isLoopback(url: URL): boolean {
  const { hostname } = url;
  return hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
