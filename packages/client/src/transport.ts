import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { buildConnector, type Dispatcher, Pool, request } from 'undici';
import { ConfigError, ConnectionError, type NerError, RequestError, TimeoutError } from './errors.js';
import type { Settings } from './options.js';
import { VERSION } from './version.js';

/** An HTTP answer, whatever its status. */
export class Reply {
  /** Where it came from, without query: what messages may show. */
  readonly url: string;
  readonly status: number;
  readonly body: string;
  readonly #headers: IncomingHttpHeaders;
  readonly #sentId: string;

  constructor(url: string, status: number, headers: IncomingHttpHeaders, body: string, sentId: string) {
    this.url = url;
    this.status = status;
    this.body = body;
    this.#headers = headers;
    this.#sentId = sentId;
  }

  /** A header by its lower-case name; of several, the first. */
  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** What to search the logs for. Kong's 404 runs no plugin and has only Kong's own id. */
  get requestId(): string {
    return this.header('x-request-id') ?? this.header('x-kong-request-id') ?? this.#sentId;
  }
}

/** One request and what it may take. */
export interface Exchange {
  apiKey: string;
  /** What the caller adds. */
  headers: Record<string, string>;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

// Lambda answers at most 6 MB.
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
// Nothing was sent: no way there, or none from here just now (sockets, ports or files are used up, the network is down).
const UNREACHABLE =
  /^(ECONNREFUSED|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EMFILE|ENFILE|EAI_\w+|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/;
// What OpenSSL says of an answer in plain http. Some versions of Node have it in the message alone, beside EPROTO.
const NOT_TLS = /wrong.version.number|packet.length.too.long/i;
// OpenSSL's verification results (UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED, …) and Node's own TLS codes.
const TLS = /CERT|SIGNATURE|ERR_TLS|ERR_SSL|EPROTO/;

const connectAsUsual = buildConnector({});
// A 100 that nobody asked for, which some proxies send. undici takes it for the end of the connection.
const CONTINUE = /^(?:HTTP\/1\.1 100[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)+/;
const CONTINUE_BEGINS = Buffer.from('HTTP/1.1 100');

/** Connects, and leaves such a 100 away. No JSON looks like one: its strings hold no line break. */
const connect: buildConnector.connector = (options, callback) =>
  connectAsUsual(options, (...[error, socket]) => {
    if (!socket) return callback(error as Error, null);
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      const chunk: Buffer | null = read(size);
      if (!chunk?.subarray(0, CONTINUE_BEGINS.length).equals(CONTINUE_BEGINS)) return chunk;
      const length = CONTINUE.exec(chunk.toString('latin1'))?.[0].length ?? 0;
      return length === chunk.length ? read(size) : chunk.subarray(length);
    };
    callback(null, socket);
  });

/** Talks to one url, over sockets that are kept. */
export class Transport {
  /** The url without its query: what messages may show. */
  readonly shown: string;
  readonly #url: URL;
  readonly #apiKeyHeader: string;
  readonly #headers: Record<string, string>;
  readonly #dispatcher: Dispatcher;
  readonly #owned: boolean;
  #closing: Promise<void> | undefined;

  constructor({ url, apiKeyHeader, headers, concurrency, dispatcher }: Settings) {
    this.#url = url;
    this.shown = url.origin + url.pathname;
    this.#apiKeyHeader = apiKeyHeader;
    this.#headers = {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': `burst-ner/${VERSION}`,
      ...headers,
    };
    this.#owned = dispatcher === undefined;
    this.#dispatcher =
      dispatcher ?? new Pool(url.origin, { connections: concurrency, maxResponseSize: MAX_ANSWER_BYTES, connect });
  }

  /**
   * Sends texts.
   *
   * @param body JSON
   * @param onId called with the `x-request-id` before it is sent
   * @throws {NerError} when no whole answer came; `signal.reason` on abort
   */
  post(body: string, exchange: Exchange, onId: (id: string) => void = () => {}): Promise<Reply> {
    return this.#exchange(this.#url, body, exchange, onId);
  }

  /** Asks what the service says of itself, at a path below the url. Throws as `post` does. */
  get(path: '/model', exchange: Exchange): Promise<Reply> {
    const url = new URL(this.#url);
    url.pathname = url.pathname.replace(/\/$/, '') + path;
    return this.#exchange(url, undefined, exchange, () => {});
  }

  async #exchange(
    url: URL,
    body: string | undefined,
    { apiKey, headers, timeoutMs, signal }: Exchange,
    onId: (id: string) => void,
  ): Promise<Reply> {
    signal?.throwIfAborted();
    const requestId = randomUUID();
    onId(requestId);
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const shown = url.origin + url.pathname;
    const timer = setTimeout(() => {
      const sentence = `${shown} gave no whole answer within ${Math.ceil(timeoutMs)} ms`;
      controller.abort(new TimeoutError(sentence, { requestId }));
    }, timeoutMs);
    try {
      const response = await request(url, {
        dispatcher: this.#dispatcher,
        ...(body === undefined ? { method: 'GET' } : { method: 'POST', body }),
        headers: {
          ...this.#headers,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
          [this.#apiKeyHeader]: apiKey,
          'x-request-id': requestId,
        },
        signal: controller.signal,
        // One clock rules: the timer above.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      return new Reply(shown, response.statusCode, response.headers, await response.body.text(), requestId);
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : this.#explain(error, requestId);
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

  #explain(error: unknown, requestId: string): NerError {
    const { name, message: reason, code = name } = error as NodeJS.ErrnoException;
    // A parser's error holds the answer's bytes, which may hold texts.
    const info = { requestId, cause: name === 'HTTPParserError' ? undefined : error };
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
      const message = `${this.shown} answered more than ${MAX_ANSWER_BYTES} bytes`;
      return new RequestError('response_too_large', message, info);
    }
    if (code === 'UND_ERR_INVALID_ARG') {
      return new ConfigError(`what the request is made of cannot be sent: ${reason}`, { cause: error });
    }
    if (code === 'ENOTFOUND') {
      return new ConnectionError('unknown_host', `no host is called ${this.#url.hostname}; check url`, info);
    }
    if (NOT_TLS.test(`${code} ${reason}`)) {
      const message = `${this.#url.origin} does not speak TLS (${code}); should url begin with http://?`;
      return new ConnectionError('untrusted', message, info);
    }
    if (TLS.test(code)) {
      const message = `no trusted TLS connection to ${this.#url.origin} (${code}); for a CA of your own set NODE_EXTRA_CA_CERTS or pass a dispatcher`;
      return new ConnectionError('untrusted', message, info);
    }
    if (UNREACHABLE.test(code)) {
      return new ConnectionError('unreachable', `cannot connect to ${this.#url.origin} (${code}); check url`, info);
    }
    return new ConnectionError('connection_lost', `the connection to ${this.#url.origin} broke (${code})`, info);
  }
}
