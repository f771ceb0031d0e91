import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Counters } from './counters.js';
import { type Head, hostName } from './head.js';
import { type Headers, values, wire } from './headers.js';
import { type Reader, write } from './reader.js';

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

/** Plugins by their names. */
export type Plugins = ReadonlyMap<string, Plugin>;

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

/** What plugins share, whatever the request. */
export interface Shared {
  /** Whose key it is. The key is latin1. */
  readonly credentials: { find(key: string): Credential | undefined };
  readonly counters: Counters;
}

/** What plugins know of the route and the service of a request. */
export interface Scope {
  readonly id: string;
  readonly name: string;
  readonly plugins: Plugins;
}

const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)(.*)$/is;

/** How long the next bytes of a body may take, and how long a caller may read nothing: nginx's time-outs, ms. */
const BODY_TIMEOUT = 60_000;
const SEND_TIMEOUT = 60_000;

/** One request on its way through the gateway, and its answer. */
export class Exchange {
  /** 32 hex digits, in X-Kong-Request-Id and in error bodies. */
  readonly requestId = randomBytes(16).toString('hex');
  /** performance.now() at arrival, for the latency headers. */
  readonly startedAt = performance.now();
  readonly method: string;
  readonly version: string;
  /** The caller's path without the query, as it came. */
  readonly rawPath: string;
  /** The host that the caller asks, as nginx knows it: in lower case, without a port. */
  readonly host: string;
  /** The query without `?` that goes up; undefined when the request has none. */
  query: string | undefined;
  /** The caller's headers as plugins leave them for the upstream. */
  readonly headers: Headers;
  /** Where it goes, once the router knows. */
  route: Scope | undefined;
  service: Scope | undefined;
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
  /** Whether the connection stays open behind the answer. */
  keepAlive: boolean;
  /** Of the answer that was begun; 0 before. */
  status = 0;
  /** Whether the answer is whole. */
  answered = false;
  /** Called when the end of the answer is about to be sent. */
  onEnd = () => {};
  readonly #reader: Reader;
  readonly #body: AsyncGenerator<Buffer, void>;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #expected = false;
  #coding: 'none' | 'plain' | 'chunked' = 'none';

  /** @param arrivedAt wall clock, epoch ms */
  constructor(
    head: Head,
    reader: Reader,
    readonly shared: Shared,
    readonly arrivedAt: number,
  ) {
    this.method = head.method;
    this.version = head.version;
    this.headers = head.headers;
    this.keepAlive = head.keepAlive;
    this.#reader = reader;
    this.#body = reader.body(head.framing);
    // A target may name its host: http://host/path.
    const [, authority, rest = head.target] = ABSOLUTE.exec(head.target) ?? [];
    const target = rest.startsWith('/') ? rest : `/${rest}`;
    // Kong takes the path up to `?`, and nginx's query, which ends at `#` and never begins behind it.
    const [, query] = /^[^#?]*\?([^#]*)/.exec(target) ?? [];
    this.rawPath = target.replace(/\?.*$/s, '');
    this.query = query === '' && !target.endsWith('?') ? undefined : query;
    this.host = hostName(authority ?? values(this.headers, 'host')[0] ?? 'kong') ?? '';
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
   * Reads the whole body, as Kong does before it connects upstream. Later calls go on where the one before stopped.
   *
   * @param limit bytes after which reading stops
   * @returns the chunks, more than `limit` bytes of them when the body is too long
   * @throws {Malformed} when it is none
   * @throws {Error} when the caller goes away
   */
  async body(limit = Number.POSITIVE_INFINITY): Promise<readonly Buffer[]> {
    this.#expect();
    this.#reader.patience = BODY_TIMEOUT;
    while (this.#size <= limit) {
      const { value } = await this.#body.next();
      if (!value) break;
      this.#chunks.push(value);
      this.#size += value.length;
    }
    return this.#chunks;
  }

  /** Begins the answer, and ends it with a body where that is given. */
  async answer(status: number, reason: string, headers: Headers, body?: Buffer): Promise<void> {
    if (this.status > 0) return;
    this.#expect();
    this.status = status;
    const bodiless = this.method === 'HEAD' || status === 204 || status === 304;
    const chunked = values(headers, 'transfer-encoding').length > 0;
    this.#coding = bodiless ? 'none' : chunked ? 'chunked' : 'plain';
    const head = Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${wire(headers)}`, 'latin1');
    await (body === undefined ? this.#write(head) : this.#end(bodiless ? head : Buffer.concat([head, body])));
  }

  /** Sends a part of the answer's body. */
  async send(part: Buffer): Promise<void> {
    if (this.#coding === 'none' || part.length === 0) return;
    const framed = [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')];
    await this.#write(this.#coding === 'chunked' ? Buffer.concat(framed) : part);
  }

  /** Ends the answer. */
  async end(): Promise<void> {
    await this.#end(this.#coding === 'chunked' ? Buffer.from('0\r\n\r\n') : Buffer.alloc(0));
  }

  /** Reads what is left of the body, and lets it go. */
  async discard(): Promise<void> {
    for await (const _ of this.#body);
  }

  /** Tells a caller that waits for `100 Continue` to go on: nginx does so once it reads the body, or drops it. */
  #expect(): void {
    if (this.#expected) return;
    this.#expected = true;
    const [expectation] = values(this.headers, 'expect');
    if (this.version === '1.0' || expectation?.toLowerCase() !== '100-continue') return;
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  async #end(bytes: Buffer): Promise<void> {
    this.onEnd();
    await this.#write(bytes);
    this.answered = true;
  }

  #write(bytes: Buffer): Promise<void> {
    return write(this.socket, bytes, SEND_TIMEOUT);
  }
}

/** Bytes in a list of chunks. */
export function length(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
