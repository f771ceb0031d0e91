import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import { runLoop } from '../src/load/loop.js';
import { Requests } from '../src/load/requests.js';
import type { Sample } from '../src/run/sample.js';
import { summarise } from '../src/statistics/summary.js';
import { answerKong429, answerLambda429, answerNer, listen, listenRaw } from './server.js';

async function loop(
  url: URL,
  more: Partial<Parameters<typeof runLoop>[0]> = {},
  samples: Sample[] = [],
): Promise<Sample[]> {
  const onSample = (sample: Sample) => void samples.push(sample);
  const common = { url, apiKey: 'secret-key', requests: Requests.of('x'), connections: 4, durationMs: 600 };
  await runLoop({ ...common, timeoutMs: 10_000, onSample, ...more });
  // Each is told once.
  expect(new Set(samples.map(({ index }) => index)).size).toBe(samples.length);
  return samples;
}

test('a closed loop counts what the target saw, cold and warm and both kinds of 429 apart', async () => {
  await using server = await listen((response, nth) => {
    if (nth % 7 === 3) answerKong429(response);
    else if (nth % 7 === 5) answerLambda429(response);
    else answerNer(response, nth < 3);
  });
  const summary = summarise(await loop(server.url), 'sent');
  const { ok, cut } = summary.outcomes;
  expect(ok + summary.outcomes['kong-429'] + summary.outcomes['lambda-429'] + cut).toBe(summary.sent);
  expect(cut).toBeLessThanOrEqual(4);
  // Of what is cut at the end, some never arrives.
  expect(server.seen.length).toBeGreaterThanOrEqual(summary.sent - cut);
  expect(server.seen.length).toBeLessThanOrEqual(summary.sent);
  expect(summary.outcomes['kong-429']).toBeGreaterThan(0);
  expect(summary.outcomes['lambda-429']).toBeGreaterThan(0);
  expect(summary.latency.cold?.n).toBe(3);
  expect(summary.latency.warm?.n).toBe(ok - 3);
  expect(server.seen[0]?.headers['apikey']).toBe('secret-key');
  expect(server.open(), 'connections are kept').toBe(4);
});

const OK = 'HTTP/1.1 200 OK\r\nx-ner-cold-start: 0\r\n';
const WHOLE = `${OK}content-length: 2\r\n\r\n{}`;

/** How a server answers its nth request on a connection; the truth of each is when it had read it and when it wrote. */
const KINDS: Record<string, (socket: net.Socket, nth: number) => unknown> = {
  '1.5 s': (socket) => sleep(1500).then(() => socket.write(WHOLE)),
  'a 103 first': async (socket) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
    await sleep(50);
    socket.write(WHOLE);
  },
  'HTTP/1.0': (socket) => void socket.end('HTTP/1.0 200 OK\r\nx-ner-cold-start: 0\r\n\r\n{}'),
  'HTTP/1.0 with a length': (socket) => void socket.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}'),
  'chunks and a trailer': async (socket) => {
    socket.write(`${OK}trailer: x-t\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n`);
    await sleep(30);
    socket.write('0\r\nx-t: 1\r\n\r\n');
  },
  'no body': (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n'),
  'an end after the fifth': (socket, nth) => void (nth % 5 === 4 ? socket.end(WHOLE) : socket.write(WHOLE)),
  'a reset after the fifth': (socket, nth) => {
    socket.write(WHOLE, () => nth % 5 === 4 && socket.resetAndDestroy());
  },
};

/** A server of one kind, which counts the requests that it read whole. */
async function odd(kind: (socket: net.Socket, nth: number) => unknown) {
  const [sockets, truth] = [new Set<net.Socket>(), { requests: 0, ms: [] as number[] }];
  const server = net.createServer((socket) => {
    let [text, nth] = ['', 0];
    sockets.add(socket.on('error', () => {}));
    socket.on('data', async (chunk) => {
      // What comes after it closed is for nobody.
      if (socket.writableEnded) return;
      text += chunk;
      if (!text.endsWith('{"text":"x"}')) return;
      text = '';
      truth.requests++;
      const began = performance.now();
      await kind(socket, nth++);
      truth.ms.push(performance.now() - began);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/nlp/ner`);
  return { url, truth, [Symbol.asyncDispose]: close };
}

test.each(Object.entries(KINDS))('of a healthy server that answers with %s nothing is invented', async (name, kind) => {
  await using server = await odd(kind);
  const slow = name === '1.5 s';
  const samples = await loop(server.url, { durationMs: slow ? 4000 : 500, connections: 2 });
  const { ok, cut, ...others } = summarise(samples, 'sent').outcomes;
  expect(others).toEqual({ 'kong-429': 0, 'lambda-429': 0, '4xx': 0, '5xx': 0, timeout: 0, 'connection-error': 0 });
  expect(ok).toBeGreaterThan(slow ? 3 : 5);
  // What was cut had been read, or not yet.
  expect(server.truth.requests - ok).toBeGreaterThanOrEqual(0);
  expect(server.truth.requests - ok).toBeLessThanOrEqual(cut);
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const measured = median(samples.flatMap((one) => (one.outcome === 'ok' ? (one.lastByteMs ?? 0) - one.sentMs : [])));
  // How exact it is, the bench tells.
  if (slow) expect(measured / median(server.truth.ms)).toBeCloseTo(1, 0);
});

test.each([
  ['cut in its body', (socket: net.Socket) => void socket.end(`${OK}content-length: 99\r\n\r\n{`), 'incomplete answer'],
  [
    'a change of protocol',
    (socket: net.Socket) => void socket.write('HTTP/1.1 101 No\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    'incomplete answer',
  ],
  ['no HTTP', (socket: net.Socket) => void socket.write('SSH-2.0-OpenSSH\r\n'), 'incomplete answer'],
  ['nothing, and an end', (socket: net.Socket) => void socket.end(), 'no answer'],
])('an answer that is %s is counted as what it is, each time', async (_name, kind, error) => {
  await using server = await odd(kind);
  const samples = await loop(server.url, { connections: 2, durationMs: 300 });
  const lost = samples.filter(({ outcome }) => outcome === 'connection-error');
  expect(lost.length).toBeGreaterThan(2);
  expect(samples.length - lost.length, 'cut at the end').toBeLessThanOrEqual(2);
  expect(new Set(lost.map((sample) => sample.error))).toEqual(new Set([error]));
  expect(Math.abs(server.truth.requests - lost.length)).toBeLessThanOrEqual(2);
});

test('of a target that drops requests, and closes nothing else, each is told', async () => {
  let dropped = 0;
  await using server = await listen((response, nth) => {
    if (nth % 5 !== 4) return void setTimeout(() => answerNer(response, false), 10);
    dropped++;
    response.socket?.destroy();
  });
  const { ok, cut, 'connection-error': lost } = summarise(await loop(server.url), 'sent').outcomes;
  expect(lost).toBeGreaterThan(5);
  expect(dropped - lost).toBeLessThanOrEqual(cut);
  expect(server.seen.length - ok - lost).toBeLessThanOrEqual(cut);
});

test('an answer without an end is given up, and holds up no closed loop', async () => {
  const block = Buffer.alloc(2 ** 20);
  await using server = await listenRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    // A failed write must end it.
    const more = (error?: Error | null) => void (error || socket.write(block, more));
    more();
  });
  const samples = await loop(server.url, { connections: 1, durationMs: 500 });
  const [first] = samples;
  expect(first).toMatchObject({ outcome: 'connection-error', error: 'answer too large' });
  expect(samples.filter(({ outcome }) => outcome === 'ok')).toEqual([]);
});

test('a request that is dropped and one that is never answered are told apart', async () => {
  const stop = new AbortController();
  const sockets = new Set<unknown>();
  await using server = await listen((response, nth) => {
    // Four connections, one in place of the dropped one, and at last one in place of the timed-out one.
    if (sockets.add(response.socket).size === 6) stop.abort();
    if (nth === 5) response.socket?.end();
    else if (nth !== 9) answerNer(response, false);
  });
  const { outcomes } = summarise(
    await loop(server.url, { durationMs: 30_000, timeoutMs: 1000, signal: stop.signal }),
    'sent',
  );
  expect(outcomes).toMatchObject({ 'connection-error': 1, timeout: 1 });
});

test('a target that goes away ends the run, and what could not connect is no request', async () => {
  const server = await listen((response, nth) => {
    if (nth < 8) answerNer(response, false);
    if (nth === 11) void server.close();
  });
  const samples: Sample[] = [];
  const running = loop(server.url, { durationMs: 60_000 }, samples);
  await expect(running).rejects.toThrow(InputError);
  await expect(running).rejects.toThrow(/^127\.0\.0\.1:\d+ went away: \d+ connections had failed after /);
  // Of each connection the one that was under way.
  expect(summarise(samples, 'sent')).toMatchObject({ sent: 12, outcomes: { ok: 8, 'connection-error': 4, cut: 0 } });
});
