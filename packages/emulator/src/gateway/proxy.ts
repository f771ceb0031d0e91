import { lookup } from 'node:dns';
import { ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { fail, KONG, latencies, refuse } from './answer.js';
import type { Service } from './config.js';
import { type Exchange, length } from './exchange.js';
import { type Headers, hopByHop, pairs, set, values } from './headers.js';
import type { Match } from './router.js';

/** Kong's pool of idle connections (upstream_keepalive_pool_size and upstream_keepalive_idle_timeout). */
const POOL = { keepAlive: true, maxFreeSockets: 512, timeout: 60_000 };

/** Methods that nginx does not send again once they were sent (proxy_next_upstream without non_idempotent). */
const NOT_REPEATED = new Set(['POST', 'LOCK', 'PATCH']);

/** Request headers that nginx sets itself or ends at this hop. */
const REPLACED = new Set(
  [
    'te via host upgrade connection x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port',
    'x-forwarded-path x-forwarded-prefix x-real-ip x-kong-request-id content-length transfer-encoding keep-alive',
    'expect proxy proxy-connection',
  ].flatMap((line) => line.split(' ')),
);

/** nginx holds back the beginning of an answer until it has this many bytes or all of it (postpone_output). */
const POSTPONED = 1460;

/** How long a caller may read nothing of an answer: nginx's send_timeout, ms. */
const SEND_TIMEOUT = 60_000;

class TimedOut extends Error {}

/**
 * A request whose headers go out as they are given, in order and case. Node would add framing of its own to a POST
 * without a body, and lets a Trailer field go only with a chunked body; nginx does neither, and bodies here have a
 * length.
 */
class RawRequest extends ClientRequest {}
Object.defineProperties(RawRequest.prototype, {
  useChunkedEncodingByDefault: { get: () => false, set() {} },
  // Node asks this when it makes the head, then again for each chunk.
  chunkedEncoding: {
    get(this: ClientRequest) {
      return !this.headersSent;
    },
    set() {},
  },
});

/** Why one attempt came to nothing. */
interface Failure {
  readonly error: NodeJS.ErrnoException;
  /** The connection stood, so bytes may have arrived. */
  readonly sent: boolean;
  /** The connection was an idle one, which the upstream may have been closing. */
  readonly reused: boolean;
}

/** Kong's pools of idle connections to upstreams. */
export class Pools {
  readonly #http = new HttpAgent(POOL);
  readonly #https = new HttpsAgent(POOL);

  /** A request that is not yet sent. Its connection is shared with whatever asks the same host in the same way. */
  request(service: Service, method: string, path: string, headers: Headers): ClientRequest {
    const { secure, host, port, tlsVerify, ca } = service;
    const options = { host, port, method, path, headers: headers.flat(), setHost: false, lookup: resolve };
    // Without ca_certificates nginx has no store to verify by.
    const tls = { protocol: 'https:', agent: this.#https, rejectUnauthorized: tlsVerify, ca: [...(ca ?? [])] };
    return new RawRequest({ ...options, ...(secure ? tls : { agent: this.#http }) });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/** The system's resolver; it is not asked for names that never resolve (RFC 6761, 6.4). */
const resolve: LookupFunction = (host, options, done) => {
  if (!host.endsWith('.invalid')) return lookup(host, options, done);
  process.nextTick(done, Object.assign(new Error('no such host'), { code: 'ENOTFOUND' }), '');
};

/** Sends a request up and its answer down; answers 502, 503 or 504 when there is none. Never throws. */
export async function forward(
  exchange: Exchange,
  match: Match<Service>,
  pools: Pools,
  now: () => number,
): Promise<void> {
  const { method = '' } = exchange.request;
  const { service } = match;
  let body: Buffer[];
  try {
    body = await exchange.body();
  } catch {
    // The caller is gone, or has had its 400.
    return;
  }
  const headers = upstreamHeaders(exchange, match, body);
  const path = exchange.query === undefined ? match.path : `${match.path}?${exchange.query}`;
  for (let tries = 0; !exchange.response.destroyed; ) {
    const upstreamSince = performance.now();
    const attempt = await send(exchange, service, pools.request(service, method, path, headers), body);
    exchange.by = 'upstream';
    if ('incoming' in attempt) return relay(exchange, attempt.incoming, attempt.arm, service, upstreamSince);
    const { error, sent, reused } = attempt;
    const timedOut = error instanceof TimedOut;
    if (error.code === 'ENOTFOUND' || error.code?.startsWith('EAI_')) {
      return refuse(exchange, { status: 503, message: 'name resolution failed' }, now());
    }
    // An error on an idle connection costs no try.
    if (!reused || timedOut) tries += 1;
    if (tries > service.retries || (sent && NOT_REPEATED.has(method))) {
      const refusal = timedOut
        ? { status: 504, message: 'The upstream server is timing out' }
        : { status: 502, message: 'An invalid response was received from the upstream server' };
      return fail(exchange, refusal, upstreamSince, now());
    }
  }
}

/** What goes up, in nginx's order: its own headers, then the caller's as plugins left them. */
function upstreamHeaders(exchange: Exchange, match: Match<Service>, body: readonly Buffer[]): Headers {
  const { request, remoteAddress, readable } = exchange;
  const { host, port, secure } = match.service;
  // Kong looks at the first of a name alone.
  const sent = (name: string) => values(readable, name)[0];
  const append = (before: string | undefined, own: string) => (before === undefined ? own : `${before}, ${own}`);
  const websocket = sent('upgrade')?.toLowerCase() === 'websocket';
  const headers: Headers = [
    ['TE', trailers(readable) ? 'trailers' : ''],
    // Kong writes the version as a Lua number.
    ['Via', append(sent('via'), `${Number(request.httpVersion)} ${KONG}`)],
    ['Host', port === (secure ? 443 : 80) ? host : `${host}:${port}`],
    ['Upgrade', websocket ? 'websocket' : ''],
    ['Connection', websocket ? 'keep-alive, Upgrade' : 'keep-alive'],
    ['X-Forwarded-For', append(sent('x-forwarded-for'), remoteAddress)],
    // No address is trusted by default (trusted_ips), so the caller's other X-Forwarded headers are replaced.
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Host', exchange.host],
    ['X-Forwarded-Port', String(request.socket.localPort)],
    ['X-Forwarded-Path', exchange.rawPath],
    ['X-Forwarded-Prefix', match.prefix === '/' ? '' : (match.prefix ?? '')],
    ['X-Real-IP', remoteAddress],
    ['X-Kong-Request-Id', exchange.requestId],
  ];
  const framed = ['content-length', 'transfer-encoding'].some((name) => values(exchange.headers, name).length > 0);
  if (framed) headers.push(['Content-Length', String(length(body))]);
  const ended = new Set(hopByHop(readable));
  return [
    // nginx sends none that is empty.
    ...headers.filter(([, value]) => value !== ''),
    ...exchange.headers.filter(([name]) => !REPLACED.has(name.toLowerCase()) && !ended.has(name.toLowerCase())),
  ];
}

/** Whether the caller takes trailers. */
function trailers(headers: Headers): boolean {
  return (values(headers, 'te')[0] ?? '').split(',').some((each) => each.trim() === 'trailers');
}

/** Sends the request once. `arm` sets how long the next byte may take; 0 sets no bound. */
function send(
  exchange: Exchange,
  { secure, connectTimeout, writeTimeout, readTimeout }: Service,
  request: ClientRequest,
  body: readonly Buffer[],
): Promise<Failure | { incoming: IncomingMessage; arm: (ms: number) => void }> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const arm = (ms: number) => {
      clearTimeout(timer);
      if (ms > 0) timer = setTimeout(() => request.destroy(new TimedOut()), ms);
    };
    let sent = false;
    const connected = () => {
      sent = true;
      arm(writeTimeout);
    };
    arm(connectTimeout);
    request.once('socket', (socket) => {
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', connected);
      else connected();
    });
    request.once('finish', () => arm(readTimeout));
    request.once('response', (incoming) => resolve({ incoming, arm }));
    let error: NodeJS.ErrnoException = new Error('closed without an answer');
    request.on('error', (reason) => {
      error = reason;
    });
    const abandon = () => request.destroy();
    exchange.response.once('close', abandon);
    request.once('close', () => {
      clearTimeout(timer);
      exchange.response.off('close', abandon);
      resolve({ error, sent, reused: request.reusedSocket });
    });
    for (const chunk of body) request.write(chunk, () => sent && !request.writableFinished && arm(writeTimeout));
    request.end();
  });
}

/** Passes the upstream's answer on; one that breaks off is cut short for the caller too. */
function relay(
  exchange: Exchange,
  incoming: IncomingMessage,
  arm: (ms: number) => void,
  { readTimeout }: Service,
  upstreamSince: number,
): void {
  const { response } = exchange;
  const headers = downstream(exchange, incoming, upstreamSince);
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', headers.flat());
  let stuck: NodeJS.Timeout | undefined;
  response.once('close', () => clearTimeout(stuck));
  let held: Buffer[] | undefined = [];
  const release = () => {
    for (const chunk of held ?? []) response.write(chunk);
    held = undefined;
  };
  incoming.on('data', (chunk: Buffer) => {
    arm(readTimeout);
    if (held) {
      held.push(chunk);
      if (length(held) >= POSTPONED) release();
    } else if (!response.write(chunk)) {
      // A caller that reads slowly holds the upstream back, and one that reads nothing is let go.
      incoming.pause();
      arm(0);
      stuck = setTimeout(() => response.destroy(), SEND_TIMEOUT);
      response.once('drain', () => {
        clearTimeout(stuck);
        arm(readTimeout);
        incoming.resume();
      });
    }
  });
  incoming.once('end', () => {
    if (!incoming.complete) return;
    release();
    response.end();
  });
  incoming.once('error', () => {
    response.flushHeaders();
    response.socket?.destroySoon();
  });
}

/** What goes down: nginx's own headers, those plugins added, the upstream's, then Kong's. */
function downstream(exchange: Exchange, incoming: IncomingMessage, upstreamSince: number): Headers {
  const { request, response } = exchange;
  const upstream = pairs(incoming.rawHeaders);
  const framing: Headers = ['Content-Type', 'Content-Length'].flatMap((name) =>
    values(upstream, name)
      .slice(0, 1)
      .map((value): [string, string] => [name, value]),
  );
  const hasBody = request.method !== 'HEAD' && incoming.statusCode !== 204 && incoming.statusCode !== 304;
  const unsized = hasBody && values(upstream, 'content-length').length === 0;
  const chunked = unsized && request.httpVersion === '1.1';
  // Its end is the connection's.
  if (unsized && !chunked) response.shouldKeepAlive = false;
  const ended = new Set([
    ...hopByHop(upstream),
    ...['content-type', 'content-length', 'transfer-encoding', 'connection', 'keep-alive'],
  ]);
  if (!trailers(exchange.readable)) ended.add('trailer');
  const passed = upstream.filter(([name]) => !ended.has(name.toLowerCase()));
  if (values(passed, 'server').length === 0) passed.push(['Server', KONG]);
  for (const [name, value] of exchange.echoed) set(passed, name, value);
  const via = values(passed, 'via').join(', ');
  for (const [name, value] of latencies(exchange, upstreamSince)) set(passed, name, value);
  set(passed, 'Via', via ? `${via}, 1.1 ${KONG}` : `1.1 ${KONG}`);
  set(passed, 'X-Kong-Request-Id', exchange.requestId);
  return [
    ...framing,
    ...((chunked ? [['Transfer-Encoding', 'chunked']] : []) as Headers),
    ['Connection', response.shouldKeepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...passed,
  ];
}
