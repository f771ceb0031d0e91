import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool, request } from 'undici';
import { ConnectionError, type NerError, ProtocolError, TimeoutError } from './errors.js';
import type { Settings } from './options.js';

/** An HTTP answer, whatever its status. */
export class Reply {
  /** Where it came from, without query: what messages may show. */
  readonly url: string;
  readonly status: number;
  readonly body: string;
  readonly #headers: IncomingHttpHeaders;

  constructor(url: string, status: number, headers: IncomingHttpHeaders, body: string) {
    this.url = url;
    this.status = status;
    this.body = body;
    this.#headers = headers;
  }

  /** A header by its lower-case name; of several, the first. */
  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** What to search the logs for. Kong's 404 runs no plugin and has only Kong's own id. */
  get requestId(): string | undefined {
    return this.header('x-request-id') ?? this.header('x-kong-request-id');
  }
}

// Lambda answers at most 6 MB.
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
// What OpenSSL says of an answer in plain http. Some versions of Node have it in the message alone, beside EPROTO.
const NOT_TLS = /wrong.version.number|packet.length.too.long/i;
// OpenSSL's verification results (UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED, …) and Node's own TLS codes.
const TLS = /CERT|SIGNATURE|ERR_TLS|ERR_SSL|EPROTO/;

/** Talks to one url with one key, over sockets that are kept. */
export class Transport {
  /** The url without its query: what messages may show. */
  readonly shown: string;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #dispatcher: Dispatcher;
  readonly #owned: boolean;
  #closing: Promise<void> | undefined;

  constructor({ url, apiKey, apiKeyHeader, concurrency, dispatcher }: Settings) {
    this.#url = url;
    this.shown = url.origin + url.pathname;
    this.#headers = { accept: 'application/json', [apiKeyHeader]: apiKey };
    this.#owned = dispatcher === undefined;
    this.#dispatcher =
      dispatcher ?? new Pool(url.origin, { connections: concurrency, maxResponseSize: MAX_ANSWER_BYTES });
  }

  /**
   * Sends texts.
   *
   * @param body JSON
   * @throws {TimeoutError | ConnectionError | ProtocolError} when no whole answer came; `signal.reason` on abort
   */
  post(body: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Reply> {
    const headers = { ...this.#headers, 'content-type': 'application/json' };
    return this.#exchange(this.#url, { method: 'POST', headers, body }, timeoutMs, signal);
  }

  /** Asks what the service says of itself, at a path below the url. Throws as `post` does. */
  get(path: '/model', timeoutMs: number, signal: AbortSignal | undefined): Promise<Reply> {
    const url = new URL(this.#url);
    url.pathname = url.pathname.replace(/\/$/, '') + path;
    return this.#exchange(url, { method: 'GET', headers: this.#headers }, timeoutMs, signal);
  }

  async #exchange(
    url: URL,
    sent: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Reply> {
    signal?.throwIfAborted();
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const shown = url.origin + url.pathname;
    const timer = setTimeout(() => {
      controller.abort(new TimeoutError(`${shown} gave no whole answer within ${Math.ceil(timeoutMs)} ms`));
    }, timeoutMs);
    try {
      const response = await request(url, {
        ...sent,
        dispatcher: this.#dispatcher,
        signal: controller.signal,
        // One clock rules: the timer above.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      return new Reply(shown, response.statusCode, response.headers, await response.body.text());
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : this.#explain(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Waits for what is under way, then closes the sockets. A dispatcher that the caller brought stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#owned ? this.#dispatcher.close() : Promise.resolve();
    return this.#closing;
  }

  #explain(error: unknown): NerError {
    const { name, message: reason, code = name } = error as NodeJS.ErrnoException;
    // A parser's error holds the answer's bytes, which may hold texts.
    const options = name === 'HTTPParserError' ? {} : { cause: error };
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
      return new ProtocolError(`${this.shown} answered more than ${MAX_ANSWER_BYTES} bytes`);
    }
    if (code === 'ENOTFOUND') {
      return new ConnectionError('unknown_host', `no host is called ${this.#url.hostname}; check url`, options);
    }
    if (NOT_TLS.test(`${code} ${reason}`)) {
      const message = `${this.#url.origin} does not speak TLS (${code}); should url begin with http://?`;
      return new ConnectionError('untrusted', message, options);
    }
    if (TLS.test(code)) {
      const message = `no trusted TLS connection to ${this.#url.origin} (${code}); for a CA of your own set NODE_EXTRA_CA_CERTS or pass a dispatcher`;
      return new ConnectionError('untrusted', message, options);
    }
    if (UNREACHABLE.has(code)) {
      return new ConnectionError('unreachable', `cannot connect to ${this.#url.origin} (${code}); check url`, options);
    }
    return new ConnectionError('connection_lost', `the connection to ${this.#url.origin} broke (${code})`, options);
  }
}
