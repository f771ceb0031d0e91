import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Gateway, startGateway } from '../../src/gateway/gateway.js';
import { type Attempt, startUpstream } from './upstream.js';
import { type Answer, Wire } from './wire.js';

/** A recorded request and its answer. Each boot is a gateway with empty counters. */
interface Case {
  case: string;
  config: string;
  boot: number;
  /** Epoch s of sending. */
  t: number;
  client_conn: number;
  /** Counted requests of the same consumer that were sent just before and are not recorded. */
  omitted_counted?: number | null;
  before?: string | null;
  kong_closed_conn?: boolean | null;
  request: { line: string; headers: [string, string][]; body: string; body_len: number };
  response: Omit<Answer, 'interim'> & { body_encoding?: string; interim?: { status: number }[] | null };
  upstream?: Attempt[];
}

const MASKED = /^(date|x-kong-request-id|x-credential-identifier)$/i;
const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const LATENCY = /^x-kong-(upstream|proxy|response)-latency$/i;

/**
 * Replays recorded cases over raw sockets.
 *
 * @param folder of .jsonl files and configs/
 * @param name the .jsonl file
 * @returns one line for each case that differs: its name and the first difference
 */
export async function replay(folder: string, name: string): Promise<{ count: number; differences: string[] }> {
  const cases = readFileSync(join(folder, name), 'utf8')
    .trim()
    .split('\n')
    .map((line): Case => JSON.parse(line));
  const upstream = await startUpstream();
  // Accepts and says what is no TLS.
  const plain = createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  );
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const plainPort = (plain.address() as { port: number }).port;
  const differences: string[] = [];
  let clock = 0;
  let boot = -1;
  let gateway: Gateway | undefined;
  const wires = new Map<number, Wire>();
  const stop = async () => {
    for (const wire of wires.values()) wire.close();
    wires.clear();
    await gateway?.close();
  };
  for (const each of cases) {
    if (each.boot !== boot) {
      await stop();
      boot = each.boot;
      const text = readFileSync(join(folder, 'configs', `${each.config}.yaml`), 'utf8')
        .replaceAll(':9400', `:${upstream.port}`)
        .replaceAll(':9496', `:${plainPort}`);
      gateway = await startGateway({ file: each.config, text, port: 0, now: () => clock });
    }
    if (!gateway) throw new Error('no gateway');
    clock = each.t * 1000;
    const path = each.before?.startsWith('request ') ? each.before.slice(8) : undefined;
    const ahead = path ? [path] : new Array<string>(each.omitted_counted ?? 0).fill('/nlp/ner');
    for (const target of ahead) await once(gateway.port, target, each);
    upstream.take();
    const wire = wires.get(each.client_conn) ?? (await Wire.open(gateway.port));
    wires.set(each.client_conn, wire);
    const difference = await compare(each, wire, { gateway, upstream });
    if (difference) differences.push(`${each.case}: ${difference}`);
  }
  await stop();
  await upstream.close();
  await new Promise((resolve) => plain.close(resolve));
  return { count: cases.length, differences };
}

async function once(port: number, target: string, { request }: Case): Promise<void> {
  const key = request.headers.find(([name]) => name.toLowerCase() === 'apikey')?.[1] ?? 'test-key-0001';
  const wire = await Wire.open(port);
  wire.send(`POST ${target} HTTP/1.1\r\nHost: gw.test\r\napikey: ${key}\r\nContent-Length: 0\r\n\r\n`);
  await wire.answer();
  wire.close();
}

async function compare(
  each: Case,
  wire: Wire,
  { gateway, upstream }: { gateway: Gateway; upstream: { port: number; take(): Attempt[] } },
): Promise<string | undefined> {
  const { request, response } = each;
  const method = request.line.split(' ')[0] ?? '';
  wire.send([request.line, ...request.headers.map((pair) => pair.join(': ')), '', body(each)].join('\r\n'));
  let answer: Answer;
  try {
    answer = await Promise.race([
      wire.answer(method),
      new Promise<never>((_, reject) => setTimeout(reject, 5000, new Error('no answer in 5 s')).unref()),
    ]);
  } catch (error) {
    return (error as Error).message;
  }
  const seen = upstream.take();
  // The recordings' ports are not ours.
  const ours = (text: string) =>
    text.replaceAll('127.0.0.1:9400', `127.0.0.1:${upstream.port}`).replaceAll(':9300', `:${gateway.port}`);
  const port = (pairs: [string, string][]) =>
    pairs.map(([name, value]): [string, string] => [
      name,
      name === 'X-Forwarded-Port' ? String(gateway.port) : name === 'Host' ? ours(value) : value,
    ]);
  const echo = response.body.startsWith('{"t"');
  const head = (from: Pick<Answer, 'http' | 'status' | 'reason' | 'framing'>) =>
    `${from.http} ${from.status} ${from.reason} ${from.framing}`;
  const checks: [string, unknown, unknown][] = [
    ['status', head(answer), head(response)],
    ['headers', mask(answer.headers, echo), mask(response.headers, echo)],
    ['interim', answer.interim, (response.interim ?? []).map(({ status }) => status)],
    ['body', text(answer.body, echo), response.body_encoding ? text(answer.body, echo) : text(response.body, echo)],
    ['upstream', seen.map((one) => attempt(one)), (each.upstream ?? []).map((one) => attempt(one, port))],
  ];
  if (each.kong_closed_conn) await wire.end();
  for (const [what, got, wanted] of checks) {
    if (!isDeepStrictEqual(got, wanted))
      return `${what}\n  is  ${JSON.stringify(got)}\n  not ${JSON.stringify(wanted)}`;
  }
  return undefined;
}

/** Recorded bodies over 400 bytes are the letter x. */
function body({ request: { headers, body, body_len } }: Case): string {
  if (body_len <= body.length) return body;
  const chunked = headers.some(([name]) => name.toLowerCase() === 'transfer-encoding');
  return chunked ? `1e8480\r\n${'x'.repeat(2_000_000)}\r\n0\r\n\r\n` : 'x'.repeat(body_len);
}

/** Masks what changes from run to run. The order of RateLimit headers is no contract of Kong's. */
function mask(headers: [string, string][], echo: boolean): string[] {
  const lines = headers.map(([name, value]) => {
    if (LATENCY.test(name)) return `${name}: ${/^\d+$/.test(value) ? 'ms' : value}`;
    if (MASKED.test(name) || (echo && name === 'Content-Length')) return name;
    return `${name}: ${/^x-correlation/i.test(name) ? value.replace(UUID, 'uuid') : value}`;
  });
  const limits = lines.filter((line) => /^(x-)?ratelimit|^retry-after/i.test(line)).sort();
  return lines.map((line) => (/^(x-)?ratelimit|^retry-after/i.test(line) ? (limits.shift() ?? '') : line));
}

function text(body: string, echo: boolean): unknown {
  if (!echo) return body.replace(/[0-9a-f]{32}/g, 'id');
  return 'an echo';
}

function attempt(one: Attempt, port = (pairs: [string, string][]) => pairs) {
  const { method, path, http, headers, body_len } = one;
  return { method, path, http, body_len: body_len ?? null, headers: mask(port(headers), false) };
}
