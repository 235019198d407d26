/** What an AI binding of a Worker is called, and where the bridge is that answers it. */
export interface RunstreamAiOptions {
  /** The binding's name: `AI` unless it is given. */
  name?: string;
  /** Where the bridge listens, as `http://HOST:PORT`: RUNSTREAM_URL, or http://127.0.0.1:8080, unless it is given. */
  url?: string;
  /** A token of the bridge's token file: RUNSTREAM_TOKEN, or none, unless it is given. */
  token?: string;
}

/** One of Miniflare's `unsafeBindings`. */
export interface UnsafeBinding {
  name: string;
  type: string;
  plugin: { package: string; name: string };
  options: Record<string, string>;
}

/**
 * Gives one of Miniflare's `unsafeBindings`: an AI binding that a Runstream bridge answers.
 *
 * @throws TypeError if an option is unknown, or the address of the bridge is none
 */
export declare function runstreamAi(options?: RunstreamAiOptions): UnsafeBinding;

/** What Miniflare and wrangler load by themselves; nothing to call. */
export declare const plugins: Readonly<Record<string, unknown>>;
