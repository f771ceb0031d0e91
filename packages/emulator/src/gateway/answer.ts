import { errorBody, errorType, failureType } from './error-page.js';
import type { Exchange, Refusal } from './exchange.js';
import type { RefusedHead } from './head.js';
import { type Headers, values } from './headers.js';

/** What Kong 3.9.3 calls itself in Server and Via. */
export const KONG = 'kong/3.9.3';

/** nginx's reason phrases, which are not always Node's. An empty one is sent where nginx knows none. */
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Not Allowed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  429: 'Too Many Requests',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** Answers in the upstream's place: a plugin or the router says no. */
export function refuse(exchange: Exchange, refusal: Refusal, now: number): void {
  const type = errorType(join(values(exchange.readable, 'accept')));
  send(exchange, refusal, type, [['X-Kong-Response-Latency', since(exchange.startedAt)]], now);
}

/**
 * Answers because the upstream did not, or because the body is none.
 *
 * @param upstreamSince performance.now() when the last try began; undefined while plugins were still at work
 */
export function fail(exchange: Exchange, refusal: Refusal, upstreamSince: number | undefined, now: number): void {
  const own: Headers =
    upstreamSince === undefined
      ? [['X-Kong-Response-Latency', since(exchange.startedAt)]]
      : [...latencies(exchange, upstreamSince), ['Via', `1.1 ${KONG}`]];
  send(exchange, refusal, pageType(exchange.headers), own, now);
}

/** Header order is the recorded one of Kong 3.9.3. */
function send(exchange: Exchange, refusal: Refusal, type: string, own: Headers, now: number): void {
  const { response, requestId } = exchange;
  if (response.destroyed || response.headersSent) return;
  exchange.expect();
  const body = Buffer.from(errorBody(type, refusal.message, requestId));
  const headers: Headers = [
    ['Date', new Date(now).toUTCString()],
    ['Content-Type', type],
    ['Connection', response.shouldKeepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...(refusal.headers ?? []),
    ['Content-Length', String(body.length)],
    ...exchange.echoed,
    ...own,
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

/** The whole answer to a head that nginx refuses, ready for the socket, which it ends. */
export function headRefusal({ status, message, known }: RefusedHead, requestId: string, now: number): string {
  const head = `HTTP/1.1 ${status} ${REASONS[status]}\r\nDate: ${new Date(now).toUTCString()}\r\n`;
  const tail = `X-Kong-Response-Latency: 0\r\nServer: ${KONG}\r\nX-Kong-Request-Id: ${requestId}\r\n\r\n`;
  if (status === 501) {
    // The one page of nginx's own: Kong has set none for this status (error_page in nginx_kong.lua).
    const title = `${status} ${REASONS[status]}`;
    const body = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`;
    return `${head}Content-Type: text/html; charset=UTF-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n${tail}${body}`;
  }
  const type = pageType(known);
  const body = errorBody(type, message, requestId);
  return `${head}Content-Type: ${type}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${tail}${body}`;
}

function pageType(headers: Headers): string {
  return failureType(values(headers, 'accept')[0], values(headers, 'content-type')[0]);
}

function since(start: number): string {
  return String(Math.round(performance.now() - start));
}

function join(list: string[]): string | undefined {
  return list.length > 0 ? list.join(',') : undefined;
}
