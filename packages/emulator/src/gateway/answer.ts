// Kong's own answers. Header order is the recorded one of Kong 3.9.3.
import { errorBody, errorType, failureType } from './error-page.js';
import type { Exchange, Refusal } from './exchange.js';
import type { RefusedHead } from './head.js';
import { type Headers, values, wire } from './headers.js';

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
  505: 'HTTP Version Not Supported',
};

/** Answers in the upstream's place: a plugin or the router says no. */
export function refuse(exchange: Exchange, refusal: Refusal, now: number): Promise<void> {
  const accept = values(exchange.readable, 'accept');
  const type = errorType(accept.length > 0 ? accept.join(',') : undefined);
  return send(exchange, refusal, type, [['X-Kong-Response-Latency', since(exchange.startedAt)]], now);
}

/**
 * Answers because the upstream did not, or because the body is none.
 *
 * @param upstreamSince performance.now() when the last try began; undefined while plugins were still at work
 */
export function fail(
  exchange: Exchange,
  refusal: Refusal,
  upstreamSince: number | undefined,
  now: number,
): Promise<void> {
  const own: Headers =
    upstreamSince === undefined
      ? [['X-Kong-Response-Latency', since(exchange.startedAt)]]
      : [...latencies(exchange, upstreamSince), ['Via', `1.1 ${KONG}`]];
  return send(exchange, refusal, pageType(exchange.headers), own, now);
}

function send(exchange: Exchange, refusal: Refusal, type: string, own: Headers, now: number): Promise<void> {
  const { requestId } = exchange;
  const body = Buffer.from(errorBody(type, refusal.message, requestId));
  const headers: Headers = [
    ['Date', new Date(now).toUTCString()],
    ['Content-Type', type],
    ['Connection', exchange.keepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...(refusal.headers ?? []),
    ['Content-Length', String(body.length)],
    ...exchange.echoed,
    ...own,
    ['Server', KONG],
    ['X-Kong-Request-Id', requestId],
  ];
  return exchange.answer(refusal.status, REASONS[refusal.status] ?? '', headers, body);
}

/** X-Kong-Upstream-Latency and X-Kong-Proxy-Latency, in ms. */
export function latencies(exchange: Exchange, upstreamSince: number): Headers {
  return [
    ['X-Kong-Upstream-Latency', since(upstreamSince)],
    ['X-Kong-Proxy-Latency', String(Math.round(upstreamSince - exchange.startedAt))],
  ];
}

/** The whole answer to a head that nginx refuses. The connection ends behind it. */
export function headRefusal({ status, message, known }: RefusedHead, requestId: string, now: number): string {
  // Kong has set no page of its own for 501 and 505 (error_page in nginx_kong.lua): nginx's is HTML, its length first.
  const own = message === '';
  const type = own ? 'text/html; charset=UTF-8' : pageType(known);
  const title = `${status} ${REASONS[status]}`;
  const body = own
    ? `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`
    : errorBody(type, message, requestId);
  const length: Headers = [['Content-Length', String(body.length)]];
  const headers: Headers = [
    ['Date', new Date(now).toUTCString()],
    ['Content-Type', type],
    ...(own ? length : []),
    ['Connection', 'close'],
    ...(own ? [] : length),
    ['X-Kong-Response-Latency', '0'],
    ['Server', KONG],
    ['X-Kong-Request-Id', requestId],
  ];
  return `HTTP/1.1 ${title}\r\n${wire(headers)}${body}`;
}

function pageType(headers: Headers): string {
  return failureType(values(headers, 'accept')[0], values(headers, 'content-type')[0]);
}

function since(start: number): string {
  return String(Math.round(performance.now() - start));
}
