import { expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import { runSustained } from '../src/load/sustained.js';
import type { Sample } from '../src/run/sample.js';
import { summarise } from '../src/statistics/summary.js';
import { answerKong429, answerLambda429, answerNer, listen } from './server.js';

async function sustained(
  url: URL,
  times = { durationMs: 600, timeoutMs: 10_000 },
  signal = AbortSignal.any([]),
  samples: Sample[] = [],
) {
  const onSample = (sample: Sample) => void samples.push(sample);
  await runSustained({ url, apiKey: 'secret-key', text: 'x', connections: 4, ...times, signal, onSample });
  // Each is told once.
  expect(new Set(samples.map(({ index }) => index)).size).toBe(samples.length);
  return samples;
}

test('sustained load counts what the target saw, cold and warm and both kinds of 429 apart', async () => {
  await using server = await listen((response, nth) => {
    if (nth % 7 === 3) answerKong429(response);
    else if (nth % 7 === 5) answerLambda429(response);
    else answerNer(response, nth < 3);
  });
  const summary = summarise(await sustained(server.url), 'sent');
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
});

test('a connection that the target closes after an answer costs nothing', async () => {
  await using server = await listen((response, nth) => {
    if (nth % 5 === 4) response.setHeader('connection', 'close');
    answerNer(response, false);
  });
  const { sent, outcomes } = summarise(await sustained(server.url), 'sent');
  expect(outcomes['connection-error']).toBe(0);
  expect(outcomes.ok + outcomes.cut).toBe(sent);
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
  const times = { durationMs: 30_000, timeoutMs: 1000 };
  const { outcomes } = summarise(await sustained(server.url, times, stop.signal), 'sent');
  expect(outcomes).toMatchObject({ 'connection-error': 1, timeout: 1 });
});

test('a target that goes away ends the run, and what could not connect is no request', async () => {
  const server = await listen((response, nth) => {
    if (nth < 8) answerNer(response, false);
    if (nth === 11) void server.close();
  });
  const samples: Sample[] = [];
  const running = sustained(server.url, { durationMs: 60_000, timeoutMs: 10_000 }, undefined, samples);
  await expect(running).rejects.toThrow(InputError);
  await expect(running).rejects.toThrow(/^127\.0\.0\.1:\d+ went away: \d+ requests or connections had failed after /);
  // Of each connection the one that was under way.
  expect(summarise(samples, 'sent')).toMatchObject({ sent: 12, outcomes: { ok: 8, 'connection-error': 4, cut: 0 } });
});
