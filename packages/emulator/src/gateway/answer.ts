import { errorBody, errorType, failureType } from './error-page.js';
import type { Exchange, Refusal } from './exchange.js';
import { type Headers, values } from './headers.js';

/** What Kong 3.9.3 calls itself in Server and Via. */
export const KONG = 'kong/3.9.3';

/** nginx's reason phrases, which are not always Node's. An empty one is sent where nginx knows none. */
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  429: 'Too Many Requests',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** What kind of answer of Kong's own this is; each has its own media type and headers. */
export type Origin =
  /** A plugin or the router says no. */
  | 'kong'
  /** nginx refuses the request before Kong sees it. */
  | 'nginx'
  /** The upstream failed. */
  | { readonly upstreamSince: number };

/** Answers in the upstream's place. Header order is the recorded one of Kong 3.9.3. */
export function answer(exchange: Exchange, refusal: Refusal, origin: Origin, now: number): void {
  const { response, requestId } = exchange;
  if (response.destroyed || response.headersSent) return;
  if (origin === 'nginx') response.shouldKeepAlive = false;
  const accept = join(values(exchange.readable, 'accept'));
  const type = origin === 'kong' ? errorType(accept) : failureType(accept, values(exchange.headers, 'content-type')[0]);
  const body = Buffer.from(errorBody(type, refusal.message, requestId));
  const headers: Headers = [
    ['Date', new Date(now).toUTCString()],
    ['Content-Type', type],
    ['Connection', response.shouldKeepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...(refusal.headers ?? []),
    ['Content-Length', String(body.length)],
    ...exchange.echoed,
    ...(typeof origin === 'string'
      ? ([['X-Kong-Response-Latency', since(exchange.startedAt)]] as Headers)
      : [...latencies(exchange, origin.upstreamSince), ['Via', `1.1 ${KONG}`] as [string, string]]),
    ['Server', KONG],
    ['X-Kong-Request-Id', requestId],
  ];
  response.writeHead(refusal.status, REASONS[refusal.status] ?? '', headers.flat());
  response.end(body);
}

/** X-Kong-Upstream-Latency and X-Kong-Proxy-Latency, in ms. */
export function latencies(exchange: Exchange, upstreamSince: number): Headers {
  return [
    ['X-Kong-Upstream-Latency', since(upstreamSince)],
    ['X-Kong-Proxy-Latency', String(Math.round(upstreamSince - exchange.startedAt))],
  ];
}

/** The answer to bytes that are no request: Kong's 400 in plain text, ready for the socket. */
export function badRequest(message: string, requestId: string, now: number): string {
  const body = errorBody(errorType('text/plain'), message, requestId);
  return [
    'HTTP/1.1 400 Bad Request',
    `Date: ${new Date(now).toUTCString()}`,
    `Content-Type: ${errorType('text/plain')}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Kong-Response-Latency: 0',
    `Server: ${KONG}`,
    `X-Kong-Request-Id: ${requestId}`,
    '',
    body,
  ].join('\r\n');
}

function since(start: number): string {
  return String(Math.round(performance.now() - start));
}

function join(list: string[]): string | undefined {
  return list.length > 0 ? list.join(',') : undefined;
}
