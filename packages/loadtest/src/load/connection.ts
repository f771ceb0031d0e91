import { setMaxListeners } from 'node:events';
import http, { type IncomingHttpHeaders } from 'node:http';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { NO_ANSWER, NO_REPORT, outcomeOf, readAnswer, type Sample } from '../run/sample.js';
import { TargetError } from './target-error.js';

/** Where a connection goes. */
export interface Target {
  url: URL;
  /** PEM of a certificate authority to trust in place of the system's; NODE_EXTRA_CA_CERTS adds one without code. */
  ca?: string;
  /** Ends it early: a request that has no answer yet is `cut`. */
  signal?: AbortSignal;
}

/** How long an answer pauses before somebody looks whether it is whole, ms. */
const QUIET_MS = 100;
/** What one connection keeps of an answer before it reads it, bytes; what comes after that is read and dropped. */
const HELD_BYTES = 2 ** 16;
/** More than Lambda ever answers (6 MB), bytes: an answer without an end is given up. */
const MOST_BYTES = 8 * 2 ** 20;

/** What a request without a complete answer became, by how its connection ended. */
const END_OUTCOMES = { closed: 'connection-error', timeout: 'timeout', cut: 'cut' } as const;

/**
 * One socket: connected (and its certificate verified) first, sent on command, time-stamped in nanoseconds as bytes
 * arrive, and read by Node's own HTTP parser.
 *
 * Of a burst or a rate, whose requests have a connection each and ask the other side to close it, an answer is read only
 * when no other waits for its time stamp, or when its connection pauses. A connection that is kept (`live`) must know when
 * its next request may leave: it reads as soon as all bytes that came with its own are stamped.
 */
export class Connection {
  /** Settles when the connection may send. @throws {TargetError} when it never may. */
  readonly ready: Promise<void>;
  /**
   * Settles when nothing more comes of this request, whatever the reason. Whoever made the connection stops it then: to
   * close our end takes longer than to read, and other answers may be waiting for their time stamp.
   */
  over!: Promise<void>;
  sentAt: bigint | null = null;
  /** Of an interim answer (1xx), where there is one. */
  firstByteAt: bigint | null = null;
  lastByteAt: bigint | null = null;
  /** Why the connection ended: by itself, or by `stop`. */
  end: 'closed' | 'timeout' | 'cut' = 'closed';
  /** System error code, `answer too large` or `answer before the request`; null for an orderly end. */
  error: string | null = null;
  readonly #socket: net.Socket;
  readonly #live: boolean;
  #isOver = () => {};
  #held: Buffer[] = [];
  #bytes = 0;
  #reading: Reading | undefined;
  /** Whether the other side said that no more comes. */
  #ended = false;

  constructor({ url, ca, signal }: Target, live = false) {
    const secure = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const place = { host, port: Number(url.port || (secure ? 443 : 80)), allowHalfOpen: true };
    const socket = secure
      ? tls.connect({
          ...place,
          // Said aloud: NODE_TLS_REJECT_UNAUTHORIZED=0 must not send the key to a stranger.
          rejectUnauthorized: true,
          ...(net.isIP(host) ? {} : { servername: host }),
          ...(ca === undefined ? {} : { ca }),
        })
      : net.connect(place);
    this.#socket = socket;
    this.#live = live;
    this.#begin();
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('timeout', () => this.#read());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#ended) this.error = error.code ?? error.message;
    });
    const cut = () => this.stop('cut');
    socket.once('close', () => {
      signal?.removeEventListener('abort', cut);
      this.#isOver();
    });
    socket.once('end', () => {
      // An end before the request is none of an answer.
      if (this.sentAt === null) return void socket.destroy();
      this.#ended = true;
      socket.setTimeout(0);
      this.#isOver();
    });
    if (signal) {
      // As many connections as a run has listen to it.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', cut);
      if (signal.aborted) cut();
    }
    this.ready = new Promise((resolve, reject) => {
      const refuse = () => {
        const unverified = socket instanceof tls.TLSSocket && Boolean(socket.authorizationError);
        reject(TargetError.connecting(url, this.end === 'closed' ? this.error : this.end, unverified));
      };
      socket.once('close', refuse);
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        socket.off('close', refuse);
        resolve();
      });
    });
  }

  /** Gives the connection up if it may not send within so many ms. */
  readyWithin(ms: number): Promise<void> {
    const late = setTimeout(() => this.stop('closed', 'ETIMEDOUT'), ms);
    return this.ready.finally(() => clearTimeout(late));
  }

  /** Stamps and writes the whole request. */
  send(bytes: Buffer): void {
    this.sentAt = process.hrtime.bigint();
    this.#socket.write(bytes);
    if (this.#live) this.#read();
  }

  /** Closes the connection; why, when it is not over by itself. */
  stop(end: 'closed' | 'timeout' | 'cut', error: string | null = null): void {
    if (this.#socket.destroyed) return;
    if (!this.#ended) {
      this.end = end;
      this.error = error;
    }
    this.#socket.destroy();
  }

  /**
   * Makes a live connection ready for its next request, unless the other side takes none.
   *
   * @param lingerMs how long to look whether it closes the connection after its answer, ms; at least one turn of the event
   * loop, which shows what came with the answer
   * @returns `said` when the answer told that the connection ends, or is none; `closed` when nothing told so
   */
  async again(lingerMs: number): Promise<'ready' | 'said' | 'closed'> {
    const answer = await this.#reading?.done;
    if (!answer?.keeps) return 'said';
    const bytes = this.#bytes;
    await (lingerMs > 0 ? sleep(lingerMs) : new Promise(setImmediate));
    if (this.#ended || this.#socket.destroyed || this.#bytes > bytes) return 'closed';
    this.#begin();
    return 'ready';
  }

  /** Whether the other side closed the connection without a byte of an answer. */
  get unanswered(): boolean {
    return this.end === 'closed' && this.firstByteAt === null;
  }

  /**
   * What became of the request, once it is over.
   *
   * @param origin what the times of the sample count from, ns
   */
  async sample(place: Place, origin: bigint): Promise<Sample> {
    const ms = (at: bigint | null) => (at === null ? null : Number(at - origin) / 1e6);
    const answer = await this.answer();
    return {
      ...place,
      // One that could not connect was never sent.
      sentMs: ms(this.sentAt) ?? place.intendedMs,
      firstByteMs: ms(this.firstByteAt),
      lastByteMs: ms(this.lastByteAt),
      outcome: answer ? outcomeOf(answer.status, answer.headers) : END_OUTCOMES[this.end],
      error: answer ? null : (this.error ?? (this.firstByteAt ? 'incomplete answer' : 'no answer')),
      ...(answer ? readAnswer(answer.status, answer.headers) : NO_ANSWER),
      ...NO_REPORT,
    };
  }

  /** The complete answer, or null when there is none. Nothing is read after this. */
  async answer(): Promise<Read | null> {
    const fits = this.#bytes <= MOST_BYTES;
    if (fits) this.#read();
    this.#reading?.end(this.#ended && this.end === 'closed' && this.error === null);
    const answer = await this.#reading?.done;
    return fits && answer ? answer : null;
  }

  #begin(): void {
    this.sentAt = this.firstByteAt = this.lastByteAt = null;
    this.#bytes = 0;
    this.#reading = undefined;
    this.over = new Promise((resolve) => {
      this.#isOver = resolve;
    });
  }

  #take(chunk: Buffer): void {
    const now = process.hrtime.bigint();
    // Bytes before the request are none of an answer.
    if (this.sentAt === null) return void this.stop('closed', 'answer before the request');
    this.firstByteAt ??= now;
    this.lastByteAt = now;
    this.#bytes += chunk.length;
    this.#held.push(chunk);
    if (this.#bytes > MOST_BYTES) this.stop('closed', 'answer too large');
    else if (this.#live) setImmediate(() => this.#held.length > 0 && this.#read());
    else if (this.#reading || this.#bytes > HELD_BYTES) this.#read();
    else this.#socket.setTimeout(QUIET_MS);
  }

  /** Reads what came; from now on the answer is read as it comes. */
  #read(): void {
    this.#socket.setTimeout(0);
    const reading = this.#reading ?? this.#begun();
    for (const chunk of this.#held.splice(0)) reading.push(chunk);
  }

  #begun(): Reading {
    const reading = new Reading();
    this.#reading = reading;
    reading.done.then((answer) => {
      if (reading !== this.#reading) return;
      if (answer) this.#isOver();
      else this.#socket.destroy();
    });
    return reading;
  }
}

/** Which request it is, and what it carries. */
export type Place = Pick<Sample, 'burst' | 'index' | 'intendedMs' | 'documents' | 'characters' | 'bytes'>;

/** A complete answer. */
interface Read {
  status: number;
  headers: IncomingHttpHeaders;
  /** Whether its connection takes another request. */
  keeps: boolean;
}

/** Reads one answer with Node's own client: it gets a stream that plays what was recorded in place of a socket. */
class Reading {
  /** Null when the bytes are no answer, or end within one. */
  readonly done: Promise<Read | null>;
  readonly #recording = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });

  constructor() {
    // After a change of protocol nobody else listens.
    this.#recording.on('error', () => {});
    this.done = new Promise((resolve) => {
      const request = http.request({ method: 'POST', createConnection: () => this.#recording });
      // A change of protocol is no answer to a request that asked for none.
      request.once('error', () => resolve(null)).once('upgrade', () => resolve(null));
      request.once('response', (response) => {
        const { statusCode: status = 0, headers, httpVersion } = response;
        const said = headers.connection?.toLowerCase() ?? '';
        const keeps = httpVersion === '1.0' ? said === 'keep-alive' : said !== 'close';
        const settle = () => resolve(response.complete && status >= 200 ? { status, headers, keeps } : null);
        response.once('error', () => {});
        response.once('end', settle).once('close', settle).resume();
      });
      request.end();
    });
  }

  push(bytes: Buffer): void {
    if (!this.#recording.destroyed) this.#recording.push(bytes);
  }

  /** No more comes. @param orderly only then is an answer complete that tells no length */
  end(orderly: boolean): void {
    if (orderly && !this.#recording.destroyed) this.#recording.push(null);
    // By then the client has read all bytes.
    else setImmediate(() => this.#recording.destroy(new Error('no end')));
  }
}
