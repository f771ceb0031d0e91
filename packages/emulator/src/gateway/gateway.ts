import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { answer, badRequest } from './answer.js';
import { parseConfig } from './config.js';
import { Exchange, type Refusal } from './exchange.js';
import { values } from './headers.js';
import { PLUGINS } from './plugins/index.js';
import { Counters } from './plugins/rate-limiting.js';
import { Upstream } from './proxy.js';
import { Router } from './router.js';

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
  /** PEM that verifies upstreams in place of the usual roots. */
  readonly ca?: string;
  /**
   * Wall clock for rate limits and Date, epoch ms.
   *
   * @default Date.now
   */
  readonly now?: () => number;
}

/** A gateway that listens. */
export interface Gateway {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Stops listening and ends every connection, both ways. */
  close(): Promise<void>;
}

/** nginx's bounds: a header line and the request line 8 KiB each (large_client_header_buffers 4 8k), bytes. */
const LINE = 8192;

/**
 * Starts a gateway that answers as Kong 3.9.3 does with that file.
 *
 * @throws {ConfigError} when the file has what this gateway does not know
 * @throws {NodeJS.ErrnoException} EADDRINUSE when the port is taken
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { file, text, host = '127.0.0.1', port, ca, now = Date.now } = options;
  const { services, credentials } = parseConfig(file, text);
  const shared = { credentials, counters: new Counters() };
  const router = new Router(services);
  const upstreams = new Map(services.map((service) => [service, new Upstream(service, ca)]));

  // By connection, for errors that Node reports with no more than the socket.
  const latest = new WeakMap<Socket, Exchange>();

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const exchange = new Exchange(request, response, shared, now());
    latest.set(request.socket, exchange);
    response.sendDate = false;
    const malformed = check(exchange);
    if (malformed) return answer(exchange, malformed, 'nginx', now());
    const match = router.match(request.method ?? '', exchange.rawPath);
    if (!match) return answer(exchange, { status: 404, message: 'no Route matched with those values' }, 'kong', now());
    exchange.route = match.route;
    exchange.service = match.service;
    for (const name of Object.keys(PLUGINS)) {
      // The order in which Kong looks: a consumer's plugin before a route's, that before the service's.
      const scopes = [exchange.credential?.consumer, match.route, match.service];
      const plugin = scopes.find((scope) => scope?.plugins.has(name))?.plugins.get(name);
      const refusal = await plugin?.access(exchange);
      if (refusal) return answer(exchange, refusal, 'kong', now());
    }
    await upstreams.get(match.service)?.forward(exchange, match, now);
  };

  const server = createServer({ requireHostHeader: false, maxHeaderSize: 4 * LINE, keepAliveTimeout: 75_000 });
  server.on('request', (request, response) => {
    // What handle can still throw is a caller that went away in the middle of its body.
    handle(request, response).catch(() => response.destroy());
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      socket.destroy();
      return;
    }
    const exchange = latest.get(socket);
    if (exchange && !exchange.request.complete) {
      // A broken body: Kong reads bodies when it has begun to proxy.
      exchange.response.shouldKeepAlive = false;
      answer(exchange, { status: 400, message: 'Bad request' }, { upstreamSince: performance.now() }, now());
      return;
    }
    const message = error.code === 'HPE_HEADER_OVERFLOW' ? 'Request header or cookie too large' : 'Bad request';
    socket.end(badRequest(message, randomBytes(16).toString('hex'), now()));
  });
  server.listen(port, host);
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const upstream of upstreams.values()) upstream.close();
      await closed;
    },
  };
}

/** What nginx refuses before Kong sees it. It knows of no header behind the one that is too long. */
function check({ request, headers }: Exchange): Refusal | undefined {
  if (`${request.method} ${request.url} HTTP/1.1\r\n`.length > LINE) {
    headers.length = 0;
    return { status: 414, message: 'URI too long' };
  }
  const tooLong = headers.findIndex((pair) => `${pair.join(': ')}\r\n`.length > LINE);
  if (tooLong >= 0) {
    headers.length = tooLong;
    return { status: 400, message: 'Request header or cookie too large' };
  }
  if (request.httpVersion === '1.1' && values(headers, 'host').length !== 1) {
    return { status: 400, message: 'Bad request' };
  }
  return undefined;
}
