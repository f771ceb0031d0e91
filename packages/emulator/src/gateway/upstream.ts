// Connections to upstreams, and their answers' heads.
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { Service } from './config.js';
import { type Headers, values } from './headers.js';
import { Ended, Malformed, Reader, TimedOut } from './reader.js';

/** A connection to an upstream. */
interface Connection {
  readonly socket: Socket;
  readonly reader: Reader;
  /** It has carried an exchange before, so the upstream may be closing it. */
  readonly reused: boolean;
}

/** Connections that may take each other's place, and what TLS keeps, so that a further one costs less. */
interface Pool {
  readonly idle: Connection[];
  readonly secureContext: SecureContext;
  session?: Buffer;
}

/**
 * Pools of idle connections to upstreams. Kong closes them after 60 s; here they stay as long as the upstream lets them, or
 * the requests of the next burst would wait for each other's TLS, both ends of which are this one process's work.
 */
export class Pools {
  readonly #pools = new Map<string, Pool>();
  readonly #open = new Set<Socket>();

  /** An idle connection, or a new one that is not connected yet. */
  take(service: Service): Connection {
    const pool = this.#pool(service);
    const idle = pool.idle.pop();
    if (idle) return { ...idle, reused: true };
    const socket = dial(service, pool);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket)).setNoDelay(true);
    return { socket, reader: new Reader(socket), reused: false };
  }

  /** Takes back a connection whose exchange is over. */
  give(service: Service, connection: Connection): void {
    const { socket, reader } = connection;
    const { idle } = this.#pool(service);
    if (reader.pending || socket.destroyed || !socket.writable) {
      socket.destroy();
      return;
    }
    const drop = () => {
      const at = idle.findIndex((each) => each.socket === socket);
      if (at < 0) return;
      idle.splice(at, 1);
      socket.destroy();
    };
    idle.push(connection);
    if (!connection.reused) for (const event of ['data', 'end', 'close']) socket.on(event, drop);
  }

  close(): void {
    for (const socket of this.#open) socket.destroy(new Ended());
  }

  #pool({ secure, host, port, tls_verify, ca = [] }: Service): Pool {
    const key = [secure, host, port, tls_verify, ...ca].join();
    // Without ca_certificates nginx has no store to verify by.
    const pool = this.#pools.get(key) ?? { idle: [], secureContext: createSecureContext({ ca: [...ca] }) };
    this.#pools.set(key, pool);
    return pool;
  }
}

function dial({ secure, host, port, tls_verify }: Service, pool: Pool): Socket {
  if (!secure) return connect(port, host);
  const { secureContext, session } = pool;
  const name = isIP(host) ? {} : { servername: host };
  const known = session ? { session } : {};
  const socket = connectTls({ host, port, ...name, ...known, rejectUnauthorized: tls_verify, secureContext });
  return socket.on('session', (fresh) => {
    pool.session = fresh;
  });
}

/** Waits until a new connection stands, with TLS where there is some. */
export async function connected({ socket, reused }: Connection, { secure, connect_timeout }: Service): Promise<void> {
  if (reused) return;
  const timer = setTimeout(() => socket.destroy(new TimedOut()), connect_timeout);
  await once(socket, secure ? 'secureConnect' : 'connect').finally(() => clearTimeout(timer));
}

/** An answer's head. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  readonly framing: number | 'chunked' | 'close';
  /** Whether the connection can be used again. */
  readonly keepAlive: boolean;
  /** Bytes of the head, its lines ended by CR and LF. */
  readonly size: number;
}

/**
 * Reads an answer's head, and those of 1xx before it.
 *
 * @param method the request's
 * @throws {Malformed} for what is none
 * @throws {Ended} when the connection ended before
 */
export async function readAnswer(reader: Reader, method: string): Promise<Answer> {
  for (;;) {
    const first = await reader.text();
    const [, version, status, reason = ''] = /^HTTP\/1\.(\d) (\d{3})(?: (.*))?$/.exec(first) ?? [];
    if (!status) throw new Malformed();
    const headers: Headers = [];
    let size = first.length + 4;
    for (let text = await reader.text(); text !== ''; text = await reader.text()) {
      const [, name, value = ''] = /^([^\0-\x20:\x7f]+):([^\0\r]*)$/s.exec(text) ?? [];
      if (!name) throw new Malformed();
      size += text.length + 2;
      headers.push([name, value.replace(/^ +| +$/g, '')]);
    }
    const code = Number(status);
    if (code < 200 && code !== 101) continue;
    const [length, ...more] = values(headers, 'content-length');
    const [coding] = values(headers, 'transfer-encoding');
    // What could be read in two ways, further on.
    if (more.length > 0 || (length !== undefined && (coding !== undefined || !/^\d{1,15}$/.test(length)))) {
      throw new Malformed();
    }
    const bodiless = method === 'HEAD' || code === 204 || code === 304;
    const chunked = coding?.toLowerCase() === 'chunked';
    const framing = bodiless ? 0 : chunked ? 'chunked' : length === undefined ? 'close' : Number(length);
    const connection = values(headers, 'connection').join().toLowerCase();
    const stays = version === '0' ? connection.includes('keep-alive') : !connection.includes('close');
    return { status: code, reason, headers, framing, keepAlive: stays && framing !== 'close', size };
  }
}
