import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Route, Service } from './config.js';
import type { Credential, Credentials } from './consumers.js';
import { hostName } from './head.js';
import { type Headers, pairs, values } from './headers.js';
import type { Counters } from './plugins/rate-limiting.js';

/** An answer that a plugin gives in the upstream's place. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Headers;
}

/** One plugin with its config. */
export interface Plugin {
  /** Looks at a request before it goes up, and may change what goes up or end it with an answer. */
  access(exchange: Exchange): Refusal | undefined | Promise<Refusal | undefined>;
}

/** What plugins share, whatever the request. */
export interface Shared {
  readonly credentials: Credentials;
  readonly counters: Counters;
}

const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)(.*)$/is;

/** How long the next bytes of a body may take: nginx's client_body_timeout, ms. */
const BODY_TIMEOUT = 60_000;

/** One request on its way through the gateway, and what is known of its answer so far. */
export class Exchange {
  /** 32 hex digits, in X-Kong-Request-Id and in error bodies. */
  readonly requestId = randomBytes(16).toString('hex');
  /** performance.now() at arrival, for the latency headers. */
  readonly startedAt = performance.now();
  /** The caller's path without the query, as it came. */
  readonly rawPath: string;
  /** The host that the caller asks, as nginx knows it: in lower case, without a port. */
  readonly host: string;
  /** The query without `?` that goes up; undefined when the request has none. */
  query: string | undefined;
  /** The caller's headers as plugins leave them for the upstream. */
  readonly headers: Headers;
  /** Where it goes, once the router knows. */
  route: Route | undefined;
  service: Service | undefined;
  /** Who called, once key-auth knows. */
  credential: Credential | undefined;
  /** Response headers that plugins set before the upstream answers. */
  readonly added: Headers = [];
  /** Response headers that plugins set on top of the upstream's. */
  readonly echoed: Headers = [];
  /** performance.now() when the last plugin was through with it. */
  proxiedAt: number | undefined;
  /** Whose answer it is: the upstream's also where Kong answers for want of one. */
  by: 'gateway' | 'upstream' = 'gateway';
  /** The rate limit that is nearest to its end, as the answer tells it. */
  budget: { readonly limit: number; readonly remaining: number; readonly resetS: number } | undefined;
  #body: Promise<Buffer[]> | undefined;
  #expected = false;

  /** @param arrivedAt wall clock, epoch ms */
  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    readonly shared: Shared,
    readonly arrivedAt: number,
  ) {
    // nginx drops names of other characters (ignore_invalid_headers); Kong has it take `_`.
    this.headers = pairs(request.rawHeaders).filter(([name]) => /^[\w-]+$/.test(name));
    // A target may name its host: http://host/path.
    const [, authority, rest = request.url ?? '/'] = ABSOLUTE.exec(request.url ?? '') ?? [];
    const target = rest.startsWith('/') ? rest : `/${rest}`;
    const mark = target.indexOf('?');
    this.rawPath = mark < 0 ? target : target.slice(0, mark);
    // Kong takes the path up to `?`, and nginx's query, which ends at `#` and never begins behind it.
    this.query = /^[^#?]*\?([^#]*)/.exec(target)?.[1];
    this.host = hostName(authority ?? values(this.headers, 'host')[0] ?? 'kong') ?? '';
  }

  /** The caller's address. */
  get remoteAddress(): string {
    return this.request.socket.remoteAddress ?? '';
  }

  /**
   * The caller's headers as Lua sees them: only the first 100 (lua_max_req_headers).
   */
  get readable(): Headers {
    return this.headers.slice(0, 100);
  }

  /** Tells a caller that waits for `100 Continue` to go on: nginx does so once it reads the body, or drops it. */
  expect(): void {
    if (this.#expected) return;
    this.#expected = true;
    const [expectation] = values(this.headers, 'expect');
    if (this.request.httpVersion === '1.1' && expectation?.toLowerCase() === '100-continue') {
      this.response.writeContinue();
    }
  }

  /**
   * Reads the whole body, as Kong does before it connects upstream. Later calls give the same chunks.
   *
   * @param limit bytes after which reading stops
   * @returns the chunks, more than `limit` bytes of them when the body is too long
   * @throws {Error} when the caller goes away or sends what is no body
   */
  body(limit = Number.POSITIVE_INFINITY): Promise<Buffer[]> {
    this.#body ??= new Promise((resolve, reject) => {
      this.expect();
      const chunks: Buffer[] = [];
      let size = 0;
      const { request } = this;
      const { socket } = request;
      const stalled = () => socket.destroy();
      if (!request.readableEnded) socket.setTimeout(BODY_TIMEOUT, stalled);
      const take = (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= limit) return;
        // The rest still arrives, and is let go.
        request.off('data', take);
        request.resume();
        resolve(chunks);
      };
      request.on('data', take);
      request.once('end', () => {
        socket.setTimeout(0, stalled);
        resolve(chunks);
      });
      request.once('error', reject);
      request.once('close', () => reject(new Error('the caller went away')));
    });
    return this.#body;
  }
}

/** Bytes in a list of chunks. */
export function length(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
