import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Head } from './head.js';
import { type Headers, values, wire } from './headers.js';
import { type Reader, write } from './reader.js';

/** An answer that a plugin gives in the upstream's place. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Headers;
}

/** A plugin with its config: looks at a request before it goes up, and may change what goes up or end it with an answer. */
export type Plugin = (exchange: Exchange) => Refusal | undefined | Promise<Refusal | undefined>;

/** Plugins by their names. */
type Plugins = ReadonlyMap<string, Plugin>;

/** A consumer of the config. */
export interface Consumer {
  /** The id that Kong derives from the username in DB-less mode: the same at every start. */
  readonly id: string;
  readonly username: string;
  readonly customId: string | undefined;
  readonly groups: readonly string[];
  /** The consumer's own; one of these takes the place of the route's and the service's. */
  readonly plugins: Plugins;
}

/** A key's credential: its id is new at every load of the config. */
export interface Credential {
  readonly id: string;
  readonly consumer: Consumer;
}

/** What requests share. */
export interface Shared {
  /** Whose key it is. The key is latin1. */
  readonly credentials: { find(key: string): Credential | undefined };
  /** Requests of each budget in its latest window, which began at `start`, epoch s. */
  readonly counts: Map<string, { start: number; count: number }>;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
}

/** What plugins know of the route and the service of a request. */
export interface Scope {
  readonly id: string;
  readonly name: string;
  readonly plugins: Plugins;
}

/** How long the next bytes of a body may take, and how long a caller may read nothing: nginx's time-outs, ms. */
const BODY_TIMEOUT = 60_000;
const SEND_TIMEOUT = 60_000;

/** How long the next bytes of a body that nobody reads may take: nginx's lingering_timeout, ms. */
const DISCARD_TIMEOUT = 5_000;

/** One request on its way through the gateway, and its answer. */
export class Exchange {
  /** 32 hex digits, in X-Kong-Request-Id and in error bodies. */
  readonly requestId = randomBytes(16).toString('hex');
  /** performance.now() at arrival, for the latency headers. */
  readonly startedAt = performance.now();
  /** Wall clock at arrival, epoch ms. */
  readonly arrivedAt: number;
  /** The caller's headers as plugins leave them for the upstream. */
  readonly headers: Headers;
  /** The query that goes up, without `?`; undefined when there is none. */
  query: string | undefined;
  /** Where it goes, once the router knows. */
  route: Scope | undefined;
  service: Scope | undefined;
  /** Who called, once key-auth knows. */
  credential: Credential | undefined;
  /** Response headers that plugins set before the upstream answers. */
  readonly added: Headers = [];
  /** Response headers that plugins set on top of the upstream's. */
  readonly echoed: Headers = [];
  /** performance.now() when it was about to go up, of several tries the last. */
  proxiedAt: number | undefined;
  /** Whose answer it is: the upstream's also where Kong answers for want of one. */
  by: 'gateway' | 'upstream' = 'gateway';
  /** The rate limit that is nearest to its end, as the answer tells it. */
  budget: { readonly limit: number; readonly remaining: number; readonly resetS: number } | undefined;
  /** Whether the connection stays open behind the answer. */
  keepAlive: boolean;
  /** Of the answer; 0 before there is one. */
  status = 0;
  /** Whether the answer is whole. */
  answered = false;
  /** Called when the answer is about to be sent. */
  onEnd = () => {};
  readonly #reader: Reader;
  readonly #body: AsyncGenerator<Buffer, void>;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #expected = false;

  constructor(
    readonly head: Head,
    reader: Reader,
    readonly shared: Shared,
  ) {
    this.arrivedAt = shared.now();
    this.headers = head.headers;
    this.query = head.query;
    this.keepAlive = head.keepAlive;
    this.#reader = reader;
    this.#body = reader.body(head.framing);
  }

  get socket(): Socket {
    return this.#reader.socket;
  }

  /** The caller's address. */
  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  /** The caller's headers as Lua sees them: only the first 100 (lua_max_req_headers). */
  get readable(): Headers {
    return this.headers.slice(0, 100);
  }

  /**
   * Reads the whole body, as Kong does before it connects upstream. Later calls give what the first one has read.
   *
   * @param limit bytes after which what comes is let go
   * @returns more than `limit` bytes when the body is too long
   * @throws {Malformed} when it is none
   * @throws {Error} when the caller goes away
   */
  async body(limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
    this.#expect();
    this.#reader.patience = BODY_TIMEOUT;
    for await (const part of this.#body) {
      if (this.#size <= limit) this.#chunks.push(part);
      this.#size += part.length;
    }
    return Buffer.concat(this.#chunks);
  }

  /**
   * Sends the answer.
   *
   * @param whole false for what came of one that broke off
   */
  async answer(status: number, reason: string, headers: Headers, body: Buffer, whole = true): Promise<void> {
    this.#expect();
    this.status = status;
    this.onEnd();
    const head = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${wire(headers)}`, 'latin1');
    const bodiless = this.head.method === 'HEAD' || status === 204 || status === 304;
    const chunked = values(headers, 'transfer-encoding').length > 0;
    const parts = bodiless ? [] : chunked ? chunks(body, whole) : [body];
    await write(this.socket, Buffer.concat([head, ...parts]), SEND_TIMEOUT);
    this.answered = whole;
  }

  /** Reads what is left of the body, and lets it go. */
  async discard(): Promise<void> {
    this.#reader.patience = DISCARD_TIMEOUT;
    for await (const _ of this.#body);
  }

  /** Tells a caller that waits for `100 Continue` to go on: nginx does so once it reads the body, or drops it. */
  #expect(): void {
    if (this.#expected) return;
    this.#expected = true;
    const [expectation] = values(this.headers, 'expect');
    const { version, refusal } = this.head;
    if (version === '1.0' || refusal || expectation?.toLowerCase() !== '100-continue') return;
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
  }
}

/** A body in chunked coding. @param whole false leaves out its end */
function chunks(body: Buffer, whole: boolean): Buffer[] {
  const one = body.length > 0 ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')] : [];
  return whole ? [...one, Buffer.from('0\r\n\r\n')] : one;
}
