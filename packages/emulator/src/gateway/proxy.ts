import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { answer, KONG, latencies } from './answer.js';
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
    // Node sends a Trailer field only with a chunked body, and bodies go up with their length.
    'expect proxy proxy-connection trailer',
  ].flatMap((line) => line.split(' ')),
);

/** nginx holds back the beginning of an answer until it has this many bytes or all of it (postpone_output). */
const POSTPONED = 1460;

class TimedOut extends Error {}

/** Why one attempt came to nothing. */
interface Failure {
  readonly error: NodeJS.ErrnoException;
  /** The connection stood, so bytes may have arrived. */
  readonly sent: boolean;
  /** The connection was an idle one, which the upstream may have been closing. */
  readonly reused: boolean;
}

/** The way to one service: its connections, time-outs and retries. */
export class Upstream {
  readonly #service: Service;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @param ca PEM that verifies the service's certificate in place of the usual roots */
  constructor(service: Service, ca: string | undefined) {
    this.#service = service;
    this.#agent = service.secure
      ? new HttpsAgent({ ...POOL, rejectUnauthorized: service.tlsVerify, ...(ca === undefined ? {} : { ca }) })
      : new HttpAgent(POOL);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends a request up and its answer down; answers 502, 503 or 504 when there is none. Never throws. */
  async forward(exchange: Exchange, match: Match<Service>, now: () => number): Promise<void> {
    let upstreamSince = performance.now();
    let body: Buffer[];
    try {
      body = await exchange.body();
    } catch {
      // The caller is gone, or has had its 400.
      return;
    }
    const headers = this.#headers(exchange, match, body);
    const path = exchange.query === undefined ? match.path : `${match.path}?${exchange.query}`;
    for (let tries = 0; !exchange.response.destroyed; ) {
      upstreamSince = performance.now();
      const attempt = await this.#attempt(exchange, path, headers, body);
      if ('incoming' in attempt) return this.#relay(exchange, attempt.incoming, attempt.arm, upstreamSince);
      const { error, sent, reused } = attempt;
      const timedOut = error instanceof TimedOut;
      if (error.code === 'ENOTFOUND' || error.code?.startsWith('EAI_')) {
        return answer(exchange, { status: 503, message: 'name resolution failed' }, 'kong', now());
      }
      // An error on an idle connection costs no try.
      if (!reused || timedOut) tries += 1;
      if (tries > this.#service.retries || (sent && NOT_REPEATED.has(exchange.request.method ?? ''))) {
        const refusal = timedOut
          ? { status: 504, message: 'The upstream server is timing out' }
          : { status: 502, message: 'An invalid response was received from the upstream server' };
        return answer(exchange, refusal, { upstreamSince }, now());
      }
    }
  }

  /** What goes up, in nginx's order: its own headers, then the caller's as plugins left them. */
  #headers(exchange: Exchange, match: Match<Service>, body: readonly Buffer[]): Headers {
    const { request, remoteAddress } = exchange;
    const { host, port, secure } = this.#service;
    const sent = (name: string) => values(exchange.headers, name).join(', ');
    const append = (before: string, own: string) => (before ? `${before}, ${own}` : own);
    const websocket = sent('upgrade').toLowerCase() === 'websocket';
    const headers: Headers = [
      // Kong writes the version as a Lua number.
      ['Via', append(sent('via'), `${Number(request.httpVersion)} ${KONG}`)],
      ['Host', port === (secure ? 443 : 80) ? host : `${host}:${port}`],
      ...((websocket ? [['Upgrade', 'websocket']] : []) as Headers),
      ['Connection', websocket ? 'keep-alive, Upgrade' : 'keep-alive'],
      ['X-Forwarded-For', append(sent('x-forwarded-for'), remoteAddress)],
      // No address is trusted by default (trusted_ips), so the caller's other X-Forwarded headers are replaced.
      ['X-Forwarded-Proto', 'http'],
      ['X-Forwarded-Host', sent('host').replace(/:\d*$/, '').toLowerCase()],
      ['X-Forwarded-Port', String(request.socket.localPort)],
      ['X-Forwarded-Path', exchange.rawPath],
      ...((match.prefix === undefined || match.prefix === '/'
        ? []
        : [['X-Forwarded-Prefix', match.prefix]]) as Headers),
      ['X-Real-IP', remoteAddress],
      ['X-Kong-Request-Id', exchange.requestId],
    ];
    if (sent('content-length') || sent('transfer-encoding')) headers.push(['Content-Length', String(length(body))]);
    const ended = new Set(hopByHop(exchange.headers));
    return [
      ...headers,
      ...exchange.headers.filter(([name]) => !REPLACED.has(name.toLowerCase()) && !ended.has(name.toLowerCase())),
    ];
  }

  /** Sends the request once. `arm` sets how long the next byte may take. */
  #attempt(
    exchange: Exchange,
    path: string,
    headers: Headers,
    body: readonly Buffer[],
  ): Promise<Failure | { incoming: IncomingMessage; arm: (ms: number) => void }> {
    const { host, port, secure, connectTimeout, writeTimeout, readTimeout } = this.#service;
    return new Promise((resolve) => {
      const request: ClientRequest = (secure ? requestHttps : requestHttp)({
        agent: this.#agent,
        host,
        port,
        path,
        method: exchange.request.method,
        setHost: false,
      });
      setAll(request, headers);
      let timer: NodeJS.Timeout | undefined;
      const arm = (ms: number) => {
        clearTimeout(timer);
        timer = setTimeout(() => request.destroy(new TimedOut()), ms);
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
  #relay(exchange: Exchange, incoming: IncomingMessage, arm: (ms: number) => void, upstreamSince: number): void {
    const { response } = exchange;
    response.writeHead(
      incoming.statusCode ?? 502,
      incoming.statusMessage ?? '',
      downstream(exchange, incoming, upstreamSince).flat(),
    );
    let held: Buffer[] | undefined = [];
    const release = () => {
      for (const chunk of held ?? []) response.write(chunk);
      held = undefined;
    };
    incoming.on('data', (chunk: Buffer) => {
      arm(this.#service.readTimeout);
      if (held) {
        held.push(chunk);
        if (length(held) >= POSTPONED) release();
      } else if (!response.write(chunk)) {
        incoming.pause();
        response.once('drain', () => incoming.resume());
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
}

/** Sets headers on a request in order, those of one name at the first one's place. */
function setAll(request: ClientRequest, headers: Headers): void {
  const groups = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of headers) {
    const group = groups.get(name.toLowerCase()) ?? { name, values: [] };
    group.values.push(value);
    groups.set(name.toLowerCase(), group);
  }
  // Node would add its own framing to a POST without a body; nginx adds none.
  request.removeHeader('Transfer-Encoding');
  request.removeHeader('Content-Length');
  for (const { name, values } of groups.values()) {
    const [first = ''] = values;
    request.setHeader(name, values.length > 1 ? values : first);
  }
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
  const chunked = hasBody && request.httpVersion === '1.1' && values(upstream, 'content-length').length === 0;
  const ended = new Set([
    ...hopByHop(upstream),
    ...['content-type', 'content-length', 'transfer-encoding', 'connection', 'keep-alive'],
  ]);
  if (!values(exchange.headers, 'te').includes('trailers')) ended.add('trailer');
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
