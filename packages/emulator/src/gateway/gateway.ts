import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fail, refuse } from './answer.js';
import { parseConfig } from './config.js';
import { entityId } from './consumers.js';
import { Exchange, type Shared } from './exchange.js';
import { readHead } from './head.js';
import { NAMES } from './plugins/index.js';
import { forward } from './proxy.js';
import { Malformed, Reader } from './reader.js';
import { Router } from './router.js';
import { Pools } from './upstream.js';

/** nginx's keepalive_timeout and client_header_timeout, ms. */
const IDLE = 75_000;
const HEAD_TIMEOUT = 60_000;

/** nginx's lingering_time, ms. */
const LINGER = 30_000;

/** How to start a gateway. */
export interface GatewayOptions {
  /** The declarative file's name, for messages. */
  readonly file: string;
  /** The file's text, its references filled in. */
  readonly text: string;
  /** TCP port on loopback; 0 takes any free one. */
  readonly port: number;
  /**
   * Wall clock for rate limits and Date, epoch ms.
   *
   * @default Date.now
   */
  readonly now?: (() => number) | undefined;
  /**
   * Time-outs of services are this many times shorter.
   *
   * @default 1
   */
  readonly timeScale?: number | undefined;
  /** A consumer beside those of the file, with the groups and limits of the one that `like` is a key of. */
  readonly guest?: { readonly username: string; readonly key: string; readonly like: string };
  /** Told of every request once it is answered, or cannot be. */
  readonly onAnswer?: (answer: Answered) => void;
}

/** What came of one request. Never a key, a query or a body. */
export interface Answered {
  /** Empty, as the path is, for bytes that were no request. */
  readonly method: string;
  /** The caller's path without the query. */
  readonly path: string;
  /** 0 when no answer was begun. */
  readonly status: number;
  /** The answer was cut, or never sent. */
  readonly broken: boolean;
  /** The gateway's own answer, or one that came from the upstream or for want of one. */
  readonly by: 'gateway' | 'upstream';
  /** From the head's arrival to the answer's end. */
  readonly ms: number;
  /** The consumer's username, for a caller whom key-auth knows. */
  readonly consumer?: string | undefined;
  /** The route's name. */
  readonly route?: string | undefined;
  /** The rate limit that is nearest to its end, as the answer tells it: requests a window, and those left. */
  readonly limit?: number | undefined;
  readonly remaining?: number | undefined;
  /** Until that window ends, s. */
  readonly resetS?: number | undefined;
}

/** A gateway that listens. */
export interface Gateway {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  /**
   * Takes the file's new text. Counters go on, and so do requests under way, by the config that they began with.
   *
   * @param text YAML, its references filled in
   * @throws {ConfigError} when it cannot be used; the gateway then goes on with the config that it has
   */
  reload(text: string): void;
  /** Stops listening and ends every connection, both ways. */
  close(): Promise<void>;
}

/**
 * Starts a gateway that answers as Kong 3.9.3 does with that file.
 *
 * @throws {ConfigError} when the file has what this gateway does not know
 * @throws {NodeJS.ErrnoException} EADDRINUSE when the port is taken
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { file, text, port, now = Date.now, timeScale = 1, guest, onAnswer } = options;
  const counts: Shared['counts'] = new Map();
  const pools = new Pools();
  const load = (from: string) => {
    const { services, credentials } = parseConfig(file, from);
    const model = guest && credentials.find(guest.like)?.consumer;
    if (model) {
      const { username, key } = guest;
      credentials.add(key, { ...model, username, id: entityId('consumers', username) });
    }
    const scaled = services.map((service) => ({
      ...service,
      connect_timeout: service.connect_timeout / timeScale,
      write_timeout: service.write_timeout / timeScale,
      read_timeout: service.read_timeout / timeScale,
    }));
    return { router: new Router(scaled), shared: { credentials, counts, now } };
  };
  let config = load(text);

  const handle = async (exchange: Exchange, router: Router) => {
    const { method, path, refusal } = exchange.head;
    if (refusal) return fail(exchange, refusal);
    const match = router.match(method, path);
    if (!match) return refuse(exchange, { status: 404, message: 'no Route matched with those values' });
    exchange.route = match.route;
    exchange.service = match.service;
    for (const name of NAMES) {
      // The order in which Kong looks: a consumer's plugin before a route's, that before the service's.
      const scopes = [exchange.credential?.consumer, match.route, match.service];
      const plugin = scopes.find((scope) => scope?.plugins.has(name))?.plugins.get(name);
      const refusal = await plugin?.(exchange);
      if (refusal) return refuse(exchange, refusal);
    }
    exchange.proxiedAt = performance.now();
    await forward(exchange, match, pools);
  };

  /** Answers one request. Throws when the connection cannot go on. */
  const answer = async (exchange: Exchange, router: Router) => {
    // nginx gives up a request whose caller ends the connection.
    const abandon = () => exchange.proxiedAt !== undefined && exchange.socket.destroy();
    exchange.socket.once('end', abandon);
    try {
      await handle(exchange, router).catch((error) => {
        // A body that is none, found by a plugin or when Kong has begun to proxy.
        if (!(error instanceof Malformed) || exchange.status > 0) throw error;
        exchange.keepAlive = false;
        return fail(exchange, { status: 400, message: 'Bad request' });
      });
    } finally {
      exchange.socket.off('end', abandon);
      onAnswer?.(answered(exchange));
    }
  };

  /** Answers the requests of one connection, one after the other. */
  const serve = async (socket: Socket) => {
    const reader = new Reader(socket);
    for (;;) {
      reader.patience = IDLE;
      if (!(await reader.ready())) break;
      reader.patience = 0;
      const late = setTimeout(() => socket.destroy(), HEAD_TIMEOUT);
      const head = await readHead(reader).finally(() => clearTimeout(late));
      if (!head) break;
      // A request keeps the config that it began with.
      const { router, shared } = config;
      const exchange = new Exchange(head, reader, shared);
      await answer(exchange, router);
      if (!exchange.keepAlive) break;
      await exchange.discard();
    }
    linger(socket);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket).catch(() => socket.destroySoon());
  });
  const sockets = new Set<Socket>();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    reload(from) {
      config = load(from);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      pools.close();
      await closed;
    },
  };
}

function answered({ head, status, by, credential, route, budget, ...exchange }: Exchange): Answered {
  const { method, path } = head;
  const consumer = credential?.consumer.username;
  const [broken, ms] = [!exchange.answered, performance.now() - exchange.startedAt];
  return { method, path, status, broken, by, ms, consumer, route: route?.name, ...budget };
}

/** Ends a connection, and lets go for a while what still arrives, so that the caller can read the answer. */
function linger(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end().removeAllListeners('data').resume();
  const timer = setTimeout(() => socket.destroy(), LINGER).unref();
  // Or a connection that is gone would be held so long.
  socket.once('close', () => clearTimeout(timer));
}
