import { fail, KONG, latencies, refuse } from './answer.js';
import type { Exchange } from './exchange.js';
import { type Headers, listed, set, values, wire } from './headers.js';
import { Ended, type Reader, TimedOut, write } from './reader.js';
import type { Match } from './router.js';
import { type Answer, connected, type Pools, readAnswer } from './upstream.js';

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

/** One of nginx's proxy_buffers, bytes. The first one has the head, too. */
const BUFFER = 4096;

/**
 * Sends a request up and its answer down; answers 502, 503 or 504 when there is none.
 *
 * @throws {Error} when the caller is gone, or its body is none
 */
export async function forward(exchange: Exchange, match: Match, pools: Pools): Promise<void> {
  const { socket } = exchange;
  const { method } = exchange.head;
  const { service } = match;
  const body = await exchange.body();
  exchange.by = 'upstream';
  const path = exchange.query === undefined ? match.path : `${match.path}?${exchange.query}`;
  const head = `${method} ${path} HTTP/1.1\r\n${wire(upstreamHeaders(exchange, match, body.length))}`;
  const request = Buffer.concat([Buffer.from(head, 'latin1'), body]);
  for (let tries = 0; !socket.destroyed; ) {
    exchange.proxiedAt = performance.now();
    const connection = pools.take(service);
    const abandon = () => void connection.socket.destroy(new Ended());
    socket.once('close', abandon);
    let sent = connection.reused;
    try {
      await connected(connection, service);
      sent = true;
      await write(connection.socket, request, service.write_timeout);
      connection.reader.patience = service.read_timeout;
      const answer = await readAnswer(connection.reader, method);
      await relay(exchange, answer, connection.reader);
      return answer.keepAlive ? pools.give(service, connection) : abandon();
    } catch (error) {
      abandon();
      // What came of it was passed on.
      if (exchange.status > 0 || socket.destroyed) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTFOUND' || code?.startsWith('EAI_')) {
        // It went nowhere.
        exchange.proxiedAt = undefined;
        return refuse(exchange, { status: 503, message: 'name resolution failed' });
      }
      const timedOut = error instanceof TimedOut;
      // An error on an idle connection costs no try.
      if (!connection.reused || timedOut) tries += 1;
      if (tries > service.retries || (sent && NOT_REPEATED.has(method))) {
        const refusal = timedOut
          ? { status: 504, message: 'The upstream server is timing out' }
          : { status: 502, message: 'An invalid response was received from the upstream server' };
        return fail(exchange, refusal);
      }
    } finally {
      socket.off('close', abandon);
    }
  }
}

/** What goes up, in nginx's order: its own headers, then the caller's as plugins left them. */
function upstreamHeaders(exchange: Exchange, match: Match, size: number): Headers {
  const { remoteAddress, readable } = exchange;
  const { host, port, secure } = match.service;
  // Kong looks at the first of a name alone.
  const sent = (name: string) => values(readable, name)[0];
  const append = (before: string | undefined, own: string) => (before === undefined ? own : `${before}, ${own}`);
  const websocket = sent('upgrade')?.toLowerCase() === 'websocket';
  const headers: Headers = [
    ['TE', listed(readable, 'te').includes('trailers') ? 'trailers' : ''],
    // Kong writes the version as a Lua number.
    ['Via', append(sent('via'), `${Number(exchange.head.version)} ${KONG}`)],
    ['Host', port === (secure ? 443 : 80) ? host : `${host}:${port}`],
    ['Upgrade', websocket ? 'websocket' : ''],
    ['Connection', websocket ? 'keep-alive, Upgrade' : 'keep-alive'],
    ['X-Forwarded-For', append(sent('x-forwarded-for'), remoteAddress)],
    // No address is trusted by default (trusted_ips), so the caller's other X-Forwarded headers are replaced.
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Host', exchange.head.host],
    ['X-Forwarded-Port', String(exchange.socket.localPort)],
    ['X-Forwarded-Path', exchange.head.path],
    ['X-Forwarded-Prefix', match.prefix === '/' ? '' : (match.prefix ?? '')],
    ['X-Real-IP', remoteAddress],
    ['X-Kong-Request-Id', exchange.requestId],
  ];
  const framed = ['content-length', 'transfer-encoding'].some((name) => values(exchange.headers, name).length > 0);
  if (framed) headers.push(['Content-Length', String(size)]);
  const ended = new Set(listed(readable, 'connection'));
  return [
    // nginx sends none of its own that is empty.
    ...headers.filter(([, value]) => value !== ''),
    ...exchange.headers.filter(([name]) => !REPLACED.has(name.toLowerCase()) && !ended.has(name.toLowerCase())),
  ];
}

/**
 * Passes the upstream's answer on once all of it has come.
 *
 * @throws {Error} for one that broke off: it is cut for the caller, too
 */
async function relay(exchange: Exchange, answer: Answer, reader: Reader): Promise<void> {
  const waited = latencies(exchange);
  const parts: Buffer[] = [];
  let broken: Error | undefined;
  try {
    for await (const part of reader.body(answer.framing)) parts.push(part);
  } catch (error) {
    broken = error as Error;
  }
  const body = Buffer.concat(parts);
  // All that has come goes on; but where the upstream did not end in order, nginx has lost its last buffer, unless it reads
  // chunks, which it passes on one by one.
  const kept = !broken || answer.framing === 'chunked' || (broken instanceof Ended && !reader.error);
  const lost = kept ? 0 : Math.min(body.length, (answer.size + body.length) % BUFFER);
  const headers = downstream(exchange, answer, waited);
  await exchange.answer(answer.status, answer.reason, headers, body.subarray(0, body.length - lost), !broken);
  if (broken) throw broken;
}

/** What goes down: nginx's own headers, those plugins added, the upstream's, then Kong's. */
function downstream(exchange: Exchange, { headers, framing }: Answer, waited: Headers): Headers {
  const [type] = values(headers, 'content-type');
  const [length] = values(headers, 'content-length');
  const ended = new Set([
    ...listed(headers, 'connection'),
    ...['content-type', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'trailer'],
  ]);
  const passed = headers.filter(([name]) => !ended.has(name.toLowerCase()));
  if (values(passed, 'server').length === 0) passed.push(['Server', KONG]);
  for (const [name, value] of exchange.echoed) set(passed, name, value);
  const via = values(passed, 'via').join(', ');
  for (const [name, value] of waited) set(passed, name, value);
  set(passed, 'Via', via ? `${via}, 1.1 ${KONG}` : `1.1 ${KONG}`);
  set(passed, 'X-Kong-Request-Id', exchange.requestId);
  const typed: Headers = type === undefined ? [] : [['Content-Type', type]];
  const sized: Headers = length === undefined ? [] : [['Content-Length', length]];
  if (typeof framing !== 'number') {
    // To a caller that knows no chunks, the connection's end tells the length.
    if (exchange.head.version === '1.0') exchange.keepAlive = false;
    else sized.push(['Transfer-Encoding', 'chunked']);
  }
  return [
    ...typed,
    ...sized,
    ['Connection', exchange.keepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...passed,
  ];
}
