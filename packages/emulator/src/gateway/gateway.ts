import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { fail, headRefusal, refuse } from './answer.js';
import { parseConfig } from './config.js';
import { Exchange } from './exchange.js';
import { MAX_HEAD, type ParseError, type RefusedHead, refuseBytes, refuseHead } from './head.js';
import { pairs } from './headers.js';
import { PLUGINS } from './plugins/index.js';
import { Counters } from './plugins/rate-limiting.js';
import { forward, Pools } from './proxy.js';
import { Router } from './router.js';

/** nginx's lingering_time, ms. */
const LINGER = 30_000;

/** How to start a gateway. */
export interface GatewayOptions {
  /** The declarative file's name, for messages. */
  readonly file: string;
  /** The file's text, its references filled in. */
  readonly text: string;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** TCP port; 0 takes any free one. */
  readonly port: number;
  /**
   * Wall clock for rate limits and Date, epoch ms.
   *
   * @default Date.now
   */
  readonly now?: () => number;
  /** Told of every request once its response closes. */
  readonly onAnswer?: (answer: Answered) => void;
}

/** What came of one request. Never a key, a query or a body. */
export interface Answered {
  /** The consumer's username; undefined for a caller that nobody authenticated. */
  readonly consumer: string | undefined;
  /** The route's name. */
  readonly route: string | undefined;
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
  /** The rate limit that is nearest to its end, as the answer tells it: requests a window, and those left. */
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
  /** Until that window ends, s. */
  readonly resetS: number | undefined;
  /** From the head's arrival to the response's close. */
  readonly ms: number;
}

/** A gateway that listens. */
export interface Gateway {
  /** `http://host:port` */
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
  const { file, text, host = '127.0.0.1', port, now = Date.now, onAnswer } = options;
  const counters = new Counters();
  const pools = new Pools();
  const load = (from: string) => {
    const { services, credentials } = parseConfig(file, from);
    return { router: new Router(services), shared: { credentials, counters } };
  };
  let config = load(text);

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    // A request keeps the config that it began with.
    const { router, shared } = config;
    const { method = '', url = '', httpVersion: version, socket } = request;
    const malformed = refuseHead({ method, target: url, version, headers: pairs(request.rawHeaders) });
    if (malformed) {
      request.resume();
      return end(socket, malformed, request);
    }
    const exchange = new Exchange(request, response, shared, now());
    response.once('close', () => onAnswer?.(answered(exchange)));
    latest.set(socket, exchange);
    const match = router.match(method, exchange.rawPath);
    if (!match) return refuse(exchange, { status: 404, message: 'no Route matched with those values' }, now());
    exchange.route = match.route;
    exchange.service = match.service;
    for (const name of Object.keys(PLUGINS)) {
      // The order in which Kong looks: a consumer's plugin before a route's, that before the service's.
      const scopes = [exchange.credential?.consumer, match.route, match.service];
      const plugin = scopes.find((scope) => scope?.plugins.has(name))?.plugins.get(name);
      const refusal = await plugin?.access(exchange);
      if (refusal) return refuse(exchange, refusal, now());
    }
    exchange.proxiedAt = performance.now();
    await forward(exchange, match, pools, now);
  };

  // By connection, for errors that Node reports with no more than the socket.
  const latest = new WeakMap<Duplex, Exchange>();
  // Requests of one connection that came at once are answered one after the other.
  const turns = new WeakMap<Duplex, Promise<unknown>>();
  const receive = (request: IncomingMessage, response: ServerResponse) => {
    response.sendDate = false;
    const turn = turns.get(request.socket);
    turns.set(request.socket, new Promise((resolve) => response.once('close', resolve)));
    const begin = () => (request.socket.destroyed ? undefined : handle(request, response));
    // What handle can still throw is a caller that went away in the middle of its body.
    (turn ? turn.then(begin) : begin())?.catch(() => response.destroy());
  };

  const end = (socket: Duplex, refusal: RefusedHead, { method = '', url = '' }: Partial<IncomingMessage> = {}) => {
    if (!socket.writable) return;
    socket.end(headRefusal(refusal, randomBytes(16).toString('hex'), now()), 'latin1');
    onAnswer?.({ ...NOTHING_KNOWN, method, path: url.replace(/[?#].*$/s, ''), status: refusal.status });
    // What still arrives is let go for a while (nginx's lingering_time), so that the caller can read the answer.
    setTimeout(() => socket.destroy(), LINGER).unref();
  };

  const server = createServer({
    requireHostHeader: false,
    maxHeaderSize: MAX_HEAD,
    keepAliveTimeout: 75_000,
    headersTimeout: 60_000,
    // A body may take as long as it likes, as long as it goes on.
    requestTimeout: 0,
  });
  server.maxHeadersCount = 0;
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, receive);
  server.on('connect', (request: IncomingMessage) => {
    end(request.socket, { status: 405, message: 'Method not allowed', known: pairs(request.rawHeaders) }, request);
  });
  server.on('clientError', (error: ParseError, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      socket.destroy();
      return;
    }
    // Refused before; this is what still arrives.
    if (!socket.writable) return;
    const exchange = latest.get(socket);
    if (!exchange || exchange.request.complete) {
      void refuseBytes(error).then((refusal) => end(socket, refusal));
      return;
    }
    // A broken body, found by a plugin or when Kong has begun to proxy.
    const { response } = exchange;
    if (response.headersSent) socket.end();
    response.shouldKeepAlive = false;
    // Node reads on while plugins look at the head.
    setImmediate(() => fail(exchange, { status: 400, message: 'Bad request' }, exchange.proxiedAt, now()));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    reload(from) {
      config = load(from);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      pools.close();
      await closed;
    },
  };
}

/** What is known of a head that was refused, but for its request line. */
const NOTHING_KNOWN = {
  consumer: undefined,
  route: undefined,
  broken: false,
  by: 'gateway',
  limit: undefined,
  remaining: undefined,
  resetS: undefined,
  ms: 0,
} as const;

function answered({ request, response, credential, route, rawPath, by, budget, startedAt }: Exchange): Answered {
  return {
    consumer: credential?.consumer.username,
    route: route?.name,
    method: request.method ?? '',
    path: rawPath,
    status: response.headersSent ? response.statusCode : 0,
    broken: !response.writableFinished,
    by,
    limit: budget?.limit,
    remaining: budget?.remaining,
    resetS: budget?.resetS,
    ms: performance.now() - startedAt,
  };
}
