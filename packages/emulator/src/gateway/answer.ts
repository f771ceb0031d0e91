// Kong's own answers: headers in the recorded order of Kong 3.9.3, bodies and the choice between them as in its
// kong/tools/http.lua and kong/error_handlers.lua.
import { STATUS_CODES } from 'node:http';
import type { Exchange, Refusal } from './exchange.js';
import { type Header, type Headers, values } from './headers.js';

/** What Kong 3.9.3 calls itself in Server and Via. */
export const KONG = 'kong/3.9.3';

/** nginx's reason phrases. An empty one is sent where nginx knows none. */
const REASONS: Record<number, string | undefined> = {
  ...STATUS_CODES,
  405: 'Not Allowed',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  417: '',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** Answers in the upstream's place: a plugin or the router says no. */
export function refuse(exchange: Exchange, refusal: Refusal): Promise<void> {
  const accept = values(exchange.readable, 'accept');
  const type = errorType(accept.length > 0 ? accept.join(',') : undefined);
  return send(exchange, refusal, type);
}

/** Answers because the upstream did not, or because head or body are none. */
export function fail(exchange: Exchange, refusal: Refusal): Promise<void> {
  const type = failureType(exchange.headers);
  return send(exchange, refusal, type, exchange.proxiedAt === undefined ? [] : [['Via', `1.1 ${KONG}`]]);
}

function send(exchange: Exchange, refusal: Refusal, type: string, via: Headers = []): Promise<void> {
  const { requestId, shared } = exchange;
  const reason = REASONS[refusal.status] ?? '';
  // Kong has set no page of its own for 405, 501 and 505 (error_page in nginx_kong.lua): nginx's is HTML, its length first.
  const nginx = refusal.message === '';
  const body = Buffer.from(
    nginx ? nginxPage(`${refusal.status} ${reason}`) : errorBody(type, refusal.message, requestId),
  );
  const length: Header = ['Content-Length', String(body.length)];
  const headers: Headers = [
    ['Date', new Date(shared.now()).toUTCString()],
    ['Content-Type', nginx ? 'text/html; charset=UTF-8' : type],
    ...(nginx ? [length] : []),
    ['Connection', exchange.keepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...(refusal.headers ?? []),
    ...(nginx ? [] : [length]),
    ...exchange.echoed,
    ...latencies(exchange),
    ...via,
    ['Server', KONG],
    ['X-Kong-Request-Id', requestId],
  ];
  return exchange.answer(refusal.status, reason, headers, body);
}

/** How long it took, in ms: in the upstream and before, or without it. */
export function latencies({ startedAt, proxiedAt }: Exchange): Headers {
  if (proxiedAt === undefined) return [['X-Kong-Response-Latency', since(startedAt)]];
  return [
    ['X-Kong-Upstream-Latency', since(proxiedAt)],
    ['X-Kong-Proxy-Latency', String(Math.round(proxiedAt - startedAt))],
  ];
}

function since(start: number): string {
  return String(Math.round(performance.now() - start));
}

const HTML = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN = 'text/plain; charset=utf-8';
const XML = 'application/xml; charset=utf-8';

const TYPES: Record<string, string> = {
  'text/html': HTML,
  'text/plain': PLAIN,
  'application/xml': XML,
  'text/*': PLAIN,
};

/**
 * The media type of an error body.
 *
 * @param accept the request's Accept, or what stands for it; JSON when it is undefined or names nothing known
 */
function errorType(accept: string | undefined): string {
  let type = JSON_TYPE;
  let best = 0;
  for (const part of accept?.split(',') ?? []) {
    const [media = '', ...parameters] = part.trim().split(/\s*;\s*/);
    const quality = Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1);
    if (!media.includes('/') || !(quality > best)) continue;
    best = quality;
    type = TYPES[media] ?? JSON_TYPE;
  }
  return type;
}

/** The media type where nginx itself gives up: Accept, else the request's own Content-Type, else plain text. */
function failureType(headers: Headers): string {
  return errorType(values(headers, 'accept')[0] ?? values(headers, 'content-type')[0] ?? 'text/plain');
}

function nginxPage(title: string): string {
  const heading = `<center><h1>${title}</h1></center>`;
  return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n${heading}\r\n</body>\r\n</html>\r\n`;
}

/** The body of an error in its media type. */
function errorBody(type: string, message: string, requestId: string): string {
  switch (type) {
    case HTML:
      return `<!doctype html>
<html>
  <head>
    <meta charset="utf-8">
    <title>Error</title>
  </head>
  <body>
    <h1>Error</h1>
    <p>${message}.</p>
    <p>request_id: ${requestId}</p>
  </body>
</html>
`;
    case PLAIN:
      return `${message}\nrequest_id: ${requestId}\n`;
    case XML:
      return `<?xml version="1.0" encoding="UTF-8"?>
<error>
  <message>${message}</message>
  <requestid>${requestId}</requestid>
</error>
`;
    default:
      return `{\n  "message":"${message}",\n  "request_id":"${requestId}"\n}`;
  }
}
