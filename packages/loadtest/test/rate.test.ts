import { once } from 'node:events';
import type http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { countOf, dueMs, type RateOptions, runRate } from '../src/load/rate.js';
import { Requests } from '../src/load/requests.js';
import { latencyMs, type Sample } from '../src/run/sample.js';
import { createCertificate } from './certificate.js';
import { answerNer, listen } from './server.js';

const certificate = await createCertificate();

/** Samples in the order of their requests. */
async function load({
  rate = 100,
  durationMs = 300,
  ...options
}: Pick<RateOptions, 'url'> & Partial<RateOptions> & { rate?: number; durationMs?: number }): Promise<Sample[]> {
  const samples: Sample[] = [];
  const onSample = (sample: Sample) => void samples.push(sample);
  const stages = [{ from: rate, to: rate, durationMs }];
  await runRate({ apiKey: 'secret-key', requests: Requests.of('x'), stages, onSample, ...options });
  return samples.sort((a, b) => a.index - b.index);
}

test.concurrent('requests are due at even steps, and none leaves before', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const samples = await load({ url: server.url, rate: 40, durationMs: 500 });
  expect(samples.map(({ index, intendedMs }) => [index, intendedMs])).toEqual(
    Array.from({ length: 20 }, (_, i) => [i, i * 25]),
  );
  expect(samples.every(({ sentMs, intendedMs }) => sentMs >= intendedMs)).toBe(true);
  expect(samples.every(({ outcome, start, burst }) => outcome === 'ok' && start === 'warm' && burst === 0)).toBe(true);
  expect(server.seen[0]?.headers['apikey']).toBe('secret-key');
});

test.concurrent('slow answers hold nothing back', async () => {
  const waiting: http.ServerResponse[] = [];
  await using server = await listen((response) => {
    // Answers nobody until all have asked: whoever waited for an answer would time out.
    if (waiting.push(response) === 30) for (const each of waiting) answerNer(each, false);
  });
  const samples = await load({ url: server.url });
  expect(samples.filter(({ outcome }) => outcome === 'ok')).toHaveLength(30);
});

test.concurrent('a connection is open before its request is due', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  await load({ url: server.url, ca: certificate.cert, rate: 20, durationMs: 500 });
  // All ten were opened in the second before the first.
  expect(server.seen[0]?.connections).toBeGreaterThan(5);
});

test.concurrent('a request whose connection comes late leaves late, and its latency counts from when it was due', async () => {
  // Handshakes are answered by one who opens for business later than the requests are due.
  await using server = await listen((response) => answerNer(response, false), certificate);
  let behind: net.Socket[] | undefined = [];
  const door = net.createServer({ pauseOnConnect: true }, (socket) => {
    if (behind) behind.push(socket);
    else enter(socket);
  });
  const enter = (socket: net.Socket) => {
    socket.on('error', () => {});
    const inside = net.connect(Number(server.url.port), '127.0.0.1').on('error', () => {});
    socket.pipe(inside).pipe(socket);
  };
  await once(door.listen(0, '127.0.0.1'), 'listening');
  setTimeout(() => {
    for (const socket of behind ?? []) enter(socket);
    behind = undefined;
  }, 2500);
  const url = new URL(server.url.href.replace(server.url.port, String((door.address() as AddressInfo).port)));
  const samples = await load({ url, ca: certificate.cert, rate: 10, durationMs: 300 });
  door.close();
  for (const sample of samples) {
    expect(sample.outcome).toBe('ok');
    expect(sample.sentMs - sample.intendedMs).toBeGreaterThan(100);
    expect(latencyMs(sample, 'intended')).toBeGreaterThan((latencyMs(sample, 'sent') ?? 0) + 100);
  }
});

test.concurrent('what is refused, never answered, or answered with nothing is told apart', async () => {
  await using server = await listen((response, nth) => {
    if (nth === 0) response.socket?.destroy();
    else if (nth > 1) answerNer(response, false);
  });
  const outcomes = (await load({ url: server.url, durationMs: 40, timeoutMs: 300 })).map(({ outcome }) => outcome);
  expect(outcomes.sort()).toEqual(['connection-error', 'ok', 'ok', 'timeout']);

  const gone = await listen(() => {});
  await gone.close();
  const [refused] = await load({ url: gone.url, durationMs: 10 });
  expect(refused).toMatchObject({ outcome: 'connection-error', error: 'ECONNREFUSED', sentMs: 0, lastByteMs: null });
});

test.concurrent('stopped early, it keeps what was answered; what was not due is no request', async () => {
  const stop = new AbortController();
  await using server = await listen((response, nth) => {
    if (nth < 4) answerNer(response, false);
    if (nth === 9) setTimeout(() => stop.abort(performance.now()), 100);
  });
  const began = performance.now();
  const samples = await load({ url: server.url, durationMs: 60_000, signal: stop.signal });
  const count = (outcome: string) => samples.filter((sample) => sample.outcome === outcome).length;
  expect(count('ok')).toBe(4);
  expect(count('cut')).toBe(samples.length - 4);
  // The first was due a second after it began.
  expect(began + 1000 + (samples.at(-1)?.intendedMs ?? 0)).toBeLessThanOrEqual(stop.signal.reason);
});

test('stages follow one another, and a rate that changes does so evenly', () => {
  const steps = [
    { from: 2, to: 2, durationMs: 1000 },
    { from: 4, to: 4, durationMs: 500 },
  ];
  expect([...dueMs(steps)]).toEqual([0, 500, 1000, 1250]);
  // From 0 … no rate is 0; of 10 to 30 a second there are 20 in a second, half of them after t of 10 t + 10 t² = 10.
  const rising = [{ from: 10, to: 30, durationMs: 1000 }];
  const ramp = [...dueMs(rising)];
  expect(ramp).toHaveLength(20);
  expect(ramp[10]).toBeCloseTo(1000 * ((Math.sqrt(5) - 1) / 2), 6);
  const rare = [{ from: 0.01, to: 0.01, durationMs: 1000 }];
  expect([...dueMs(rare)]).toEqual([0]);
  for (const stages of [steps, rising, rare, [...rare, ...rising], [...steps, ...rising, ...rare]]) {
    expect(countOf(stages)).toBe([...dueMs(stages)].length);
  }
});
