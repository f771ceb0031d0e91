import { expect, test } from 'vitest';
import type { BurstInfo } from '../src/run/run-file.js';
import type { Outcome, Sample } from '../src/run/sample.js';
import { summarise } from '../src/statistics/summary.js';
import { sample } from './report/run.js';

const LOST = { firstByteMs: null, lastByteMs: null, status: null, start: 'unknown' } as const;
const lost = (outcome: Outcome) => sample(0, { ...LOST, outcome });
const refused = (outcome: Outcome) => sample(1, { outcome, status: 429, start: 'unknown' });

test('each request is counted once; starts are apart; only answers and time-outs have a latency', () => {
  const samples = [
    ...[
      sample(2400, { start: 'cold', initMs: 640 }),
      sample(12, { start: 'ahead' }),
      sample(10, { initMs: 900 }),
      sample(11),
    ],
    ...[refused('kong-429'), refused('lambda-429'), sample(5, { outcome: '5xx', status: 502, start: 'unknown' })],
    ...[lost('connection-error'), lost('cut')],
  ];
  const summary = summarise(samples, 'sent');
  expect(summary).toMatchObject({
    sent: 9,
    outcomes: { ok: 4, 'kong-429': 1, 'lambda-429': 1, '4xx': 0, '5xx': 1, timeout: 0, 'connection-error': 1, cut: 1 },
    statuses: { 200: 4, 429: 2, 502: 1 },
    latency: {
      cold: { n: 1, censored: 0, min: 2400, max: 2400 },
      ahead: { n: 1, p50: { value: 12 } },
      warm: { n: 2, min: 10, p50: { value: 10 }, p90: { value: 11 }, max: 11 },
      unknown: null,
      all: { n: 4, p50: { value: 11 }, p99: { value: 2400, needed: 368 } },
    },
    init: { n: 1, max: 640 },
  });
  expect(summary.sent).toBe(Object.values(summary.outcomes).reduce((sum, n) => sum + n));
  expect(summarise([], 'sent')).toMatchObject({ sent: 0, latency: { all: null }, init: null, windows: [] });
});

test('time-outs count as longer than every answer, in all and among the unknown', () => {
  const { latency } = summarise([sample(10), sample(20), lost('timeout'), lost('timeout'), lost('timeout')], 'sent');
  expect(latency.warm).toMatchObject({ n: 2, censored: 0, p50: { value: 10 } });
  expect(latency.all).toMatchObject({ n: 2, censored: 3, min: 10, p50: { value: null, lower: null }, max: 20 });
  expect(latency.unknown).toMatchObject({ n: 0, censored: 3, min: null, p50: { value: null }, max: null });
});

test('a latency starts when the request left, or when it should have', () => {
  const late = [sample(10, { intendedMs: -1989 })];
  expect(summarise(late, 'sent').latency.warm?.max).toBe(10);
  expect(summarise(late, 'intended').latency.warm?.max).toBe(2000);
});

test('an init type may have any name', () => {
  const { initTypes } = summarise(
    [sample(5, { initType: 'constructor' }), sample(5, { initType: '__proto__' })],
    'sent',
  );
  expect(Object.entries(initTypes)).toEqual([
    ['constructor', 1],
    ['__proto__', 1],
  ]);
});

test("the gateway's minutes are told apart by when they end, over bursts and with any clock", () => {
  const burst = (number: number, seconds: number): BurstInfo => {
    return { burst: number, releasedAt: new Date(1_700_000_000_000 + seconds * 1000).toISOString(), spreadMs: 0 };
  };
  const answers = (number: number, count: number, resetS: number, more: Partial<Sample> = {}) =>
    Array.from({ length: count }, (_, i) =>
      sample(9000 * i, { burst: number, limit: 100, remaining: 0, resetS, ...more }),
    );
  // Released 0, 25 and 55 s into the run, in minutes of the gateway that end 40.9 and 100.9 s into it.
  const samples = [
    ...[...answers(0, 60, 40), ...answers(1, 45, 15), ...answers(1, 3, 15, { outcome: 'kong-429', status: 429 })],
    ...[...answers(2, 7, 45), lost('timeout'), sample(1, { outcome: '4xx', status: 401 })],
  ];
  expect(summarise(samples, 'sent', [burst(0, 0), burst(1, 25), burst(2, 55)]).windows).toEqual([
    { admitted: 105, refused: 3, limit: 100, remaining: 0 },
    { admitted: 7, refused: 0, limit: 100, remaining: 0 },
  ]);
  const shifted = samples.map((one) => ({ ...one, sentMs: one.sentMs + 29_000 }));
  expect(summarise(shifted, 'sent', [burst(0, 0), burst(1, 25), burst(2, 55)]).windows).toHaveLength(2);
  expect(summarise(samples, 'sent', [burst(0, 0)]).windows, 'a burst of unknown release').toHaveLength(1);
  const steady = [0, 30, 70].flatMap((second) =>
    answers(0, 1, second < 41 ? 41 - second : 101 - second, { sentMs: second * 1000 }),
  );
  expect(summarise(steady, 'intended').windows).toMatchObject([{ admitted: 2 }, { admitted: 1 }]);
});
