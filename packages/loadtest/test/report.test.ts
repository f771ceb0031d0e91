import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { report } from '../src/report.js';
import { NO_ANSWER, type Sample } from '../src/sample.js';
import { summarise } from '../src/summary.js';

const sample = (ms: number, more: Partial<Sample> = {}): Sample => ({
  ...{ ...NO_ANSWER, index: 0, intendedMs: 0, sentMs: 1, firstByteMs: 1 + ms, lastByteMs: 1 + ms, error: null },
  ...{ outcome: 'ok', status: 200, start: 'warm', ...more },
});
const print = (samples: Sample[]) =>
  stripVTControlCharacters(report(samples, summarise(samples), { title: 'a run', spreadMs: 0.24 }));

test('one mark a request, in bins that people read; long gaps are left out', () => {
  const text = print([sample(52), sample(69.9), sample(70), sample(2400, { start: 'cold' })]);
  expect(text).toContain('   50 ms – 70 ms    ○○\n   70 ms – 100 ms   ○\n         ⋮\n     2 s – 3 s      ●\n');
  expect(text).toContain('first bytes sent within 0.2 ms');
});

test('many requests share a mark, and enough of them have a p95', () => {
  const text = print(Array.from({ length: 120 }, (_, i) => sample(101 + i / 10)));
  expect(text).toContain(`  100 ms – 150 ms   ${'○'.repeat(60)}\n`);
  expect(text).toContain('a mark is up to 2 requests');
  expect(print(Array.from({ length: 71 }, () => sample(100)))).toContain('need n ≥ 72');
  expect(text).toMatch(/107 ms \[106 ms – 108 ms\] +112 ms \[112 ms – 113 ms\] +113 ms$/m);
});

test('cold is compared with warm only where both medians are known', () => {
  const some = (n: number, start: 'cold' | 'warm') => Array.from({ length: n }, () => sample(100, { start }));
  expect(print([...some(6, 'cold'), ...some(6, 'warm')])).toContain('6 warm (median 100 ms); cold took 1.0 times as');
  for (const [cold, warm] of [
    [5, 6],
    [6, 5],
  ] as const) {
    const text = print([...some(cold, 'cold'), ...some(warm, 'warm')]);
    expect(text).toContain('need n ≥ 6');
    expect(text).not.toContain('times as long');
  }
});

test('the intervals of one burst come with their condition', () => {
  const burst = Array.from({ length: 6 }, () => sample(100));
  expect(print(burst)).toContain('one burst: its requests share a queue');
  expect(print(burst.slice(1)), 'no interval, no condition').not.toContain('one burst:');
  expect(report(burst, summarise(burst), { title: 'a run', spreadMs: null })).not.toContain('one burst:');
});

test('an init type may have any name', () => {
  const text = print([sample(5, { initType: 'constructor' }), sample(5, { initType: '__proto__' })]);
  expect(text).toContain('init type: 1 constructor, 1 __proto__');
});

test('what has no latency is counted and explained', () => {
  const none = { firstByteMs: null, lastByteMs: null, status: null };
  const text = print([
    sample(5, { start: 'unknown' }),
    sample(1, { outcome: 'kong-429', status: 429 }),
    sample(0, { ...none, outcome: 'timeout' }),
    sample(0, { ...none, outcome: 'connection-error', error: 'ECONNRESET' }),
  ]);
  expect(text).toContain('1 of 4 requests succeeded: 1 unknown (median 5.0 ms).');
  expect(text).toContain('sent 4 = 1 ok + 1 kong-429 + 1 timeout + 1 connection-error');
  expect(text.match(/–.*[●○?]/g)).toEqual(['– 7 ms     ?']);
  expect(text).toContain('nobody can tell');
  expect(text).toContain('connection-error: ECONNRESET');
});
