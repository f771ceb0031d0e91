import { fail, KONG, latencies, refuse } from './answer.js';
import type { Service } from './config.js';
import { type Exchange, length } from './exchange.js';
import { type Headers, hopByHop, set, values, wire } from './headers.js';
import { Ended, TimedOut, write } from './reader.js';
import type { Match } from './router.js';
import { type Answer, type Connection, connected, type Pools, readAnswer } from './upstream.js';

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

/** One of nginx's proxy_buffers, bytes: an answer of a known length is passed on in whole ones. */
const BUFFER = 4096;

/**
 * Sends a request up and its answer down; answers 502, 503 or 504 when there is none.
 *
 * @throws {Error} when the caller is gone, or its body is none
 */
export async function forward(
  exchange: Exchange,
  match: Match<Service>,
  pools: Pools,
  now: () => number,
): Promise<void> {
  const { method, socket } = exchange;
  const { service } = match;
  const body = Buffer.concat(await exchange.body());
  const path = exchange.query === undefined ? match.path : `${match.path}?${exchange.query}`;
  const head = `${method} ${path} HTTP/1.1\r\n${wire(upstreamHeaders(exchange, match, body.length))}`;
  const request = Buffer.concat([Buffer.from(head, 'latin1'), body]);
  for (let tries = 0; !socket.destroyed; ) {
    const upstreamSince = performance.now();
    const connection = pools.take(service);
    const abandon = () => connection.socket.destroy();
    socket.once('close', abandon);
    let sent = connection.reused;
    try {
      await connected(connection, service);
      sent = true;
      const answer = await ask(connection, request, method, service);
      exchange.by = 'upstream';
      return await relay(exchange, answer, connection, service, pools, upstreamSince);
    } catch (error) {
      abandon();
      // Begun, it cannot be answered otherwise: it is cut for the caller, too.
      if (exchange.status > 0 || socket.destroyed) throw error;
      exchange.by = 'upstream';
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTFOUND' || code?.startsWith('EAI_')) {
        return refuse(exchange, { status: 503, message: 'name resolution failed' }, now());
      }
      const timedOut = error instanceof TimedOut;
      // An error on an idle connection costs no try.
      if (!connection.reused || timedOut) tries += 1;
      if (tries > service.retries || (sent && NOT_REPEATED.has(method))) {
        const refusal = timedOut
          ? { status: 504, message: 'The upstream server is timing out' }
          : { status: 502, message: 'An invalid response was received from the upstream server' };
        return fail(exchange, refusal, upstreamSince, now());
      }
    } finally {
      socket.off('close', abandon);
    }
  }
}

/** What goes up, in nginx's order: its own headers, then the caller's as plugins left them. */
function upstreamHeaders(exchange: Exchange, match: Match<Service>, size: number): Headers {
  const { remoteAddress, readable } = exchange;
  const { host, port, secure } = match.service;
  // Kong looks at the first of a name alone.
  const sent = (name: string) => values(readable, name)[0];
  const append = (before: string | undefined, own: string) => (before === undefined ? own : `${before}, ${own}`);
  const websocket = sent('upgrade')?.toLowerCase() === 'websocket';
  const headers: Headers = [
    ['TE', trailers(readable) ? 'trailers' : ''],
    // Kong writes the version as a Lua number.
    ['Via', append(sent('via'), `${Number(exchange.version)} ${KONG}`)],
    ['Host', port === (secure ? 443 : 80) ? host : `${host}:${port}`],
    ['Upgrade', websocket ? 'websocket' : ''],
    ['Connection', websocket ? 'keep-alive, Upgrade' : 'keep-alive'],
    ['X-Forwarded-For', append(sent('x-forwarded-for'), remoteAddress)],
    // No address is trusted by default (trusted_ips), so the caller's other X-Forwarded headers are replaced.
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Host', exchange.host],
    ['X-Forwarded-Port', String(exchange.socket.localPort)],
    ['X-Forwarded-Path', exchange.rawPath],
    ['X-Forwarded-Prefix', match.prefix === '/' ? '' : (match.prefix ?? '')],
    ['X-Real-IP', remoteAddress],
    ['X-Kong-Request-Id', exchange.requestId],
  ];
  const framed = ['content-length', 'transfer-encoding'].some((name) => values(exchange.headers, name).length > 0);
  if (framed) headers.push(['Content-Length', String(size)]);
  const ended = new Set(hopByHop(readable));
  return [
    // nginx sends none of its own that is empty.
    ...headers.filter(([, value]) => value !== ''),
    ...exchange.headers.filter(([name]) => !REPLACED.has(name.toLowerCase()) && !ended.has(name.toLowerCase())),
  ];
}

/** Whether the caller takes trailers. */
function trailers(headers: Headers): boolean {
  return (values(headers, 'te')[0] ?? '').split(',').some((each) => each.trim() === 'trailers');
}

/** Sends a request and reads the answer's head, which may come before the request is through. */
async function ask(
  { socket, reader }: Connection,
  request: Buffer,
  method: string,
  { writeTimeout, readTimeout }: Service,
): Promise<Answer> {
  reader.patience = 0;
  const answer = readAnswer(reader, method);
  const sending = (async () => {
    for (let at = 0; at < request.length; at += 65_536) {
      await write(socket, request.subarray(at, at + 65_536), writeTimeout);
    }
  })();
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([answer, sending]);
    timer = setTimeout(() => socket.destroy(new TimedOut()), readTimeout);
    return await answer;
  } catch (error) {
    throw reader.error ?? error;
  } finally {
    clearTimeout(timer);
    // Whichever failed first has said why.
    for (const each of [answer, sending]) (each as Promise<unknown>).catch(() => {});
  }
}

/** Passes the upstream's answer on. */
async function relay(
  exchange: Exchange,
  answer: Answer,
  connection: Connection,
  service: Service,
  pools: Pools,
  upstreamSince: number,
): Promise<void> {
  const { reader } = connection;
  const begin = () => exchange.answer(answer.status, answer.reason, downstream(exchange, answer, upstreamSince));
  reader.patience = service.readTimeout;
  let held: Buffer[] = [];
  const pass = async () => {
    await begin();
    await exchange.send(Buffer.concat(held.splice(0)));
  };
  try {
    for await (const part of reader.body(answer.framing)) {
      held.push(part);
      if (answer.framing === 'chunked' || length(held) >= BUFFER) await pass();
    }
  } catch (error) {
    // What has come goes on where the upstream ended in order; after a reset, the last buffer is lost.
    if (!(error instanceof Ended) || reader.error) held = [];
    await pass();
    throw error;
  }
  await pass();
  await exchange.end();
  if (answer.keepAlive) pools.give(service, connection);
  else connection.socket.destroy();
}

/** What goes down: nginx's own headers, those plugins added, the upstream's, then Kong's. */
function downstream(exchange: Exchange, { headers, framing }: Answer, upstreamSince: number): Headers {
  const sized: Headers = ['Content-Type', 'Content-Length'].flatMap((name) =>
    values(headers, name)
      .slice(0, 1)
      .map((value): [string, string] => [name, value]),
  );
  const unsized = typeof framing !== 'number';
  const chunked = unsized && exchange.version !== '1.0';
  // Its end is the connection's.
  if (unsized && !chunked) exchange.keepAlive = false;
  const ended = new Set([
    ...hopByHop(headers),
    ...['content-type', 'content-length', 'transfer-encoding', 'connection', 'keep-alive'],
  ]);
  if (!trailers(exchange.readable)) ended.add('trailer');
  const passed = headers.filter(([name]) => !ended.has(name.toLowerCase()));
  if (values(passed, 'server').length === 0) passed.push(['Server', KONG]);
  for (const [name, value] of exchange.echoed) set(passed, name, value);
  const via = values(passed, 'via').join(', ');
  for (const [name, value] of latencies(exchange, upstreamSince)) set(passed, name, value);
  set(passed, 'Via', via ? `${via}, 1.1 ${KONG}` : `1.1 ${KONG}`);
  set(passed, 'X-Kong-Request-Id', exchange.requestId);
  return [
    ...sized,
    ...((chunked ? [['Transfer-Encoding', 'chunked']] : []) as Headers),
    ['Connection', exchange.keepAlive ? 'keep-alive' : 'close'],
    ...exchange.added,
    ...passed,
  ];
}
