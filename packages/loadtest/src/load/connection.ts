import http from 'node:http';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { NO_ANSWER, NO_REPORT, outcomeOf, readAnswer, type Sample } from '../run/sample.js';
import { TargetError } from './target-error.js';

/** Where a connection goes. */
export interface Target {
  url: URL;
  /** PEM of a certificate authority to trust in place of the system's; NODE_EXTRA_CA_CERTS adds one without code. */
  ca?: string;
}

/** How long an answer pauses before somebody looks whether it is whole, ms. */
const QUIET_MS = 100;
/** More than Lambda ever answers (6 MB), bytes: a hundred connections of it fit in memory. */
const MOST_BYTES = 8 * 2 ** 20;

/** What a request without a complete answer became, by how its connection ended. */
const END_OUTCOMES = { closed: 'connection-error', timeout: 'timeout', cut: 'cut' } as const;

/**
 * One socket for one request: connected (and its certificate verified) first, sent on command, time-stamped in
 * nanoseconds, and read by an HTTP parser only when the clock no longer matters.
 *
 * The request says `connection: close`, so the end of the answer is the end of the stream and nothing has to be
 * parsed while other answers wait for their time stamp. Who keeps the connection open all the same has a pause to wait.
 */
export class Connection {
  /** Settles when the connection may send. @throws {TargetError} when it never may. */
  readonly ready: Promise<void>;
  /**
   * Settles when nothing more comes, whatever the reason. Whoever made the connection stops it then: to close our end, and
   * to parse what came, takes longer than to read it, and other answers may be waiting for their time stamp.
   */
  readonly over: Promise<void>;
  sentAt: bigint | null = null;
  /** Of an interim answer (1xx), where there is one. */
  firstByteAt: bigint | null = null;
  lastByteAt: bigint | null = null;
  /** Why the connection ended: by itself, or by `stop`. */
  end: 'closed' | 'timeout' | 'cut' = 'closed';
  /** System error code, or `answer too large`; null for an orderly end. */
  error: string | null = null;
  readonly #socket: net.Socket;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  /** Whether the other side said that no more comes. */
  #ended = false;

  constructor({ url, ca }: Target) {
    const secure = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port || (secure ? 443 : 80));
    const place = { host, port, allowHalfOpen: true };
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
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      const now = process.hrtime.bigint();
      if (this.firstByteAt === null) {
        this.firstByteAt = now;
        socket.setTimeout(QUIET_MS);
      }
      this.lastByteAt = now;
      this.#bytes += chunk.length;
      if (this.#bytes <= MOST_BYTES) this.#chunks.push(chunk);
      else this.stop('closed', 'answer too large');
    });
    socket.on('timeout', async () => {
      if (await this.answer()) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#ended) this.error = error.code ?? error.message;
    });
    this.over = new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.once('end', () => {
        // An end before the request is none of an answer.
        if (this.sentAt === null) return void socket.destroy();
        this.#ended = true;
        socket.setTimeout(0);
        resolve();
      });
    });
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

  /** Stamps and writes the whole request. */
  send(bytes: Buffer): void {
    this.sentAt = process.hrtime.bigint();
    this.#socket.write(bytes);
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
   * What became of the request, once the connection is over.
   *
   * @param origin what the times of the sample count from, ns
   */
  async sample(place: Pick<Sample, 'burst' | 'index' | 'intendedMs'>, origin: bigint): Promise<Sample> {
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

  /** The complete answer, or null while there is none. */
  async answer(): Promise<{ status: number; headers: http.IncomingHttpHeaders } | null> {
    if (this.#bytes > MOST_BYTES) return null;
    return parse(Buffer.concat(this.#chunks), this.#ended && this.end === 'closed' && this.error === null);
  }
}

/**
 * Reads an answer from recorded bytes with Node's own client: it gets a stream that plays them in place of a socket.
 *
 * @param ended whether the stream ended in order: only then is an answer complete that tells no length
 */
function parse(bytes: Buffer, ended: boolean): Promise<{ status: number; headers: http.IncomingHttpHeaders } | null> {
  return new Promise((resolve) => {
    const recording = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const request = http.request({ method: 'POST', createConnection: () => recording });
    request.once('error', () => resolve(null));
    request.once('response', (response) => {
      response.once('error', () => {});
      response.once('close', () =>
        resolve(response.complete ? { status: response.statusCode ?? 0, headers: response.headers } : null),
      );
      response.resume();
    });
    request.end();
    recording.push(bytes);
    if (ended) recording.push(null);
    // By then the client has read all bytes.
    else setImmediate(() => recording.destroy(new Error('no end')));
  });
}
