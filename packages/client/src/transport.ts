import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { buildConnector, Pool, request } from 'undici';
import { whenAborted } from './abort.js';
import {
  adviceOn,
  ConfigError,
  ConnectionError,
  type ErrorCode,
  type NerError,
  ProtocolError,
  RequestError,
  TimeoutError,
} from './errors.js';
import type { Settings } from './options.js';

/** Of this package. */
export const VERSION = '0.1.0';

/** An HTTP answer, whatever its status. */
export class Reply {
  /** @param url where it came from, without query: what messages may show */
  constructor(
    readonly url: string,
    readonly status: number,
    private readonly headers: IncomingHttpHeaders,
    readonly body: string,
    private readonly sentId: string,
  ) {}

  /** A header by its lower-case name; of several, the first. */
  header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** What to search the logs for. Kong's 404 runs no plugin and has only Kong's own id. */
  get requestId(): string {
    return this.header('x-request-id') ?? this.header('x-kong-request-id') ?? this.sentId;
  }
}

/** What a request may take, and with what it is sent. */
export interface Exchange {
  apiKey: string;
  /** What the caller adds. */
  headers: Record<string, string>;
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** Called with the `x-request-id` before it is sent. */
  onId?: (id: string) => void;
}

// Lambda answers at most 6 MB.
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
// A content security policy and some cookies are more than Node's usual 16 KiB.
const MAX_HEADER_BYTES = 256 * 1024;
// Nothing was sent: no way there, or none from here just now (a firewall refuses, sockets, ports or files are used up, the
// network is down).
const UNREACHABLE =
  /^(ECONNREFUSED|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EACCES|EPERM|ENOBUFS|EMFILE|ENFILE|EAI_\w+|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/;
// What OpenSSL says of an answer in plain http. Some versions of Node have it in the message alone, beside EPROTO.
const NOT_TLS = /wrong.version.number|packet.length.too.long/i;
// OpenSSL's verification results (UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED, …) and Node's own TLS codes.
const TLS = /CERT|SIGNATURE|ERR_TLS|ERR_SSL|EPROTO/;

const connectAsUsual = buildConnector({});
// An interim answer that nobody asked for, which some proxies send. undici takes a 100 for the end of the connection.
const INTERIM = /^(?:HTTP\/1\.[01] 1(?!01)\d\d[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)+/;
// One of which the rest is still to come.
const INTERIM_BEGINS = /^HTTP\/1\.[01] 1(?!01)\d\d[ \w-]*(?:\r|\r\n(?:[^\r\n]+\r\n)*(?:[^\r\n]+\r?|\r)?)?$/;

/** Connects, and leaves those away. No JSON looks like one: its strings hold no line break. */
const connect: buildConnector.connector = (options, callback) =>
  connectAsUsual(options, (...[error, socket]) => {
    if (!socket) return callback(error as Error, null);
    const read = socket.read.bind(socket);
    let begun = '';
    socket.read = (size?: number) => {
      const chunk: Buffer | null = read(size);
      if (!chunk || !(begun || /^HTTP\/1\.[01] 1/.test(chunk.toString('latin1', 0, 10)))) return chunk;
      const rest = (begun + chunk.toString('latin1')).replace(INTERIM, '');
      begun = INTERIM_BEGINS.test(rest) ? rest : '';
      return begun || rest === '' ? socket.read(size) : Buffer.from(rest, 'latin1');
    };
    callback(null, socket);
  });

/** Talks to one url, over sockets that are kept. */
export class Transport {
  /** The url without its query: what messages may show. */
  readonly shown: string;
  /** Ours. A dispatcher that the caller brought stays open. */
  readonly #pool: Pool | undefined;

  constructor(private readonly settings: Settings) {
    const { url, concurrency: connections, dispatcher } = settings;
    this.shown = url.origin + url.pathname;
    const most = { maxResponseSize: MAX_ANSWER_BYTES, maxHeaderSize: MAX_HEADER_BYTES };
    if (!dispatcher) this.#pool = new Pool(url.origin, { connections, connect, ...most });
  }

  /** Sends texts, as JSON. @throws {NerError} when no whole answer came; `signal.reason` on abort */
  post(body: string, exchange: Exchange): Promise<Reply> {
    return this.#exchange(this.settings.url, body, exchange);
  }

  /** Asks what the service says of itself, at a path below the url. Throws as `post` does. */
  get(path: '/model', exchange: Exchange): Promise<Reply> {
    const url = new URL(this.settings.url);
    url.pathname = url.pathname.replace(/\/$/, '') + path;
    return this.#exchange(url, undefined, exchange);
  }

  /** Waits for what is under way, then closes the sockets. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }

  async #exchange(url: URL, body: string | undefined, exchange: Exchange): Promise<Reply> {
    const { apiKey, headers, timeoutMs, signal, onId } = exchange;
    signal?.throwIfAborted();
    const requestId = randomUUID();
    onId?.(requestId);
    const controller = new AbortController();
    const forget = whenAborted(signal, () => controller.abort(signal?.reason));
    const shown = url.origin + url.pathname;
    const timer = setTimeout(() => {
      const sentence = `${shown} gave no whole answer within ${timeoutMs} ms`;
      controller.abort(new TimeoutError(sentence, { requestId }));
    }, timeoutMs);
    try {
      const response = await request(url, {
        dispatcher: this.settings.dispatcher ?? (this.#pool as Pool),
        ...(body === undefined ? { method: 'GET' } : { method: 'POST', body }),
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': `burst-ner/${VERSION}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...this.settings.headers,
          ...headers,
          [this.settings.apiKeyHeader]: apiKey,
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
      forget();
    }
  }

  #explain(error: unknown, requestId: string): NerError {
    const { origin, hostname } = this.settings.url;
    const { name, message: reason, code = name } = error as NodeJS.ErrnoException;
    if (name === 'HTTPParserError') {
      // Its error holds the answer's bytes, which may hold texts.
      const advice = 'should url begin with the other of http:// and https://, and is its port right?';
      return new ProtocolError(`${this.shown} answered what is not HTTP (${code}); ${advice}`, { requestId });
    }
    const info = { requestId, cause: error };
    const lost = (code: ErrorCode, sentence: string) => new ConnectionError(code, sentence, info);
    if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
      const message = `${this.shown} answered more than ${MAX_ANSWER_BYTES} bytes`;
      return new RequestError('response_too_large', message, info);
    }
    const tunnel = Number(/^Proxy response \((\d{3})\)/.exec(reason)?.[1]);
    if (tunnel) {
      const message = `the proxy answered ${tunnel} instead of a way to ${origin}${adviceOn(tunnel)}`;
      return new RequestError(`http_${tunnel}`, message, { ...info, status: tunnel });
    }
    if (code === 'UND_ERR_INVALID_ARG') {
      return new ConfigError(`what the request is made of cannot be sent: ${reason}`, { cause: error });
    }
    if (code === 'ENOTFOUND') return lost('unknown_host', `no host is called ${hostname}; check url`);
    if (NOT_TLS.test(`${code} ${reason}`)) {
      return lost('untrusted', `${origin} does not speak TLS (${code}); should url begin with http://?`);
    }
    if (TLS.test(code)) {
      const advice = 'for a CA of your own set NODE_EXTRA_CA_CERTS or pass a dispatcher';
      return lost('untrusted', `no trusted TLS connection to ${origin} (${code}); ${advice}`);
    }
    if (UNREACHABLE.test(code)) return lost('unreachable', `cannot connect to ${origin} (${code}); check url`);
    return lost('connection_lost', `the connection to ${origin} broke (${code})`);
  }
}
