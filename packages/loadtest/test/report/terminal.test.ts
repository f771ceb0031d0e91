import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { terminalReport } from '../../src/report/terminal.js';
import type { Run } from '../../src/run/run-file.js';
import type { Sample } from '../../src/run/sample.js';
import { summarise } from '../../src/statistics/summary.js';
import { bursts, run, sample } from './run.js';

const printRun = (measured: Run) => {
  const from = measured.info.mode === 'rate' ? 'intended' : 'sent';
  return stripVTControlCharacters(terminalReport(measured, summarise(measured.samples, from, measured.bursts)));
};
const print = (samples: Sample[], ...more: Parameters<typeof run> extends [unknown, ...infer Rest] ? Rest : never) =>
  printRun(run(samples, ...more));
const NONE = { firstByteMs: null, lastByteMs: null, status: null, start: 'unknown' } as const;
const timeout = sample(0, { ...NONE, outcome: 'timeout' });

test('one mark a request, in bins that people read; long gaps are left out', () => {
  const text = print([
    sample(52),
    sample(69.9),
    sample(70),
    sample(80, { start: 'ahead' }),
    sample(2400, { start: 'cold' }),
  ]);
  expect(text).toContain('   50 ms – 70 ms    ○○\n   70 ms – 100 ms   ◐○\n         ⋮\n     2 s – 3 s      ●\n');
  expect(text).toContain('● cold   ◐ ahead   ○ warm\n');
  expect(text).toContain('first bytes sent within 0.2 ms');
});

test('many requests share a mark, and enough of them have a p95', () => {
  // Each a burst of its own, and so independent of the others.
  const text = print(Array.from({ length: 120 }, (_, i) => sample(101 + i / 10, { burst: i })));
  expect(text).toContain(`  100 ms – 150 ms   ${'○'.repeat(60)}\n`);
  expect(text).toContain('a mark is up to 2 requests');
  expect(text).toMatch(/^p50 +107 ms \[106 – 108 ms\]$/m);
  expect(text).toMatch(/^p95 +112 ms \[112 – 113 ms\]$/m);
  expect(text).toMatch(/^p99 +need n ≥ 368 *$/m);
  expect(print(Array.from({ length: 71 }, () => sample(100)))).toMatch(/^p95 +need n ≥ 72 *$/m);
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

test('how many times as long is a number for people', () => {
  const six = (ms: number, start: 'cold' | 'warm') =>
    Array.from({ length: 6 }, (_, burst) => sample(ms, { start, burst }));
  expect(print([...six(1700, 'cold'), ...six(10, 'warm')])).toContain('cold took 170 times as long');
});

test('time-outs stand in the percentiles of all as longer than any answer', () => {
  const text = print(
    [...Array.from({ length: 90 }, () => sample(20)), ...Array.from({ length: 10 }, () => timeout)].map(
      (one, burst) => ({
        ...one,
        burst,
      }),
    ),
    { timeoutMs: 500 },
  );
  expect(text).toContain('90 of 100 requests succeeded: 90 warm (median 20.0 ms); 10 took over 500 ms.');
  expect(text).toMatch(/^n +90 +90 \+ 10 timed out *$/m);
  expect(text).toMatch(/^p50 .+ +20\.0 ms \[20\.0 – 20\.0 ms\] *$/m);
  expect(text).toMatch(/^p90 .+ +20\.0 ms \[20\.0 ms – > 500 ms\] *$/m);
  expect(text).toMatch(/^p95 .+ +> 500 ms \[20\.0 ms – > 500 ms\] *$/m);
  expect(text).toMatch(/^ +over {3}500 ms {3}×/m);
});

test('several bursts: how far apart their first bytes were, what the gateway let through, what else to know', () => {
  const samples = bursts(3, 40, { cold: 10, refused: 5 });
  const text = print(samples, { n: 40, bursts: 3, everyMs: 1000, cold: 'restart' });
  expect(text).toContain(
    '3 bursts of 40 every 1 s to http://127.0.0.1:8000/nlp/ner\n105 of 120 requests succeeded: 30 cold',
  );
  expect(text).toContain('sent 120 = 105 ok + 15 kong-429\n');
  expect(text).toContain('first bytes of a burst sent within 0.2 ms (median), 0.2 ms at most');
  expect(text).toContain('admitted by the gateway, minute by minute: 105 of 100\n');
  expect(text).toContain('over-admission: the gateway let 105 through in a minute of 100;');
  expect(text).toContain('not all cold: in spite of --cold restart, 75 answers');
});

const cold = sample(900, { start: 'cold', instance: 'a' });
const six = Array.from({ length: 6 }, () => sample(100));
const late = Array.from({ length: 50 }, (_, i) => sample(10, { sentMs: i * 10 + 25, intendedMs: i * 10 }));
test.each<[string, Sample[], Parameters<typeof run>[1], Parameters<typeof run>[2], RegExp | string]>([
  ['a closed loop', six, { mode: 'sustained', n: 2, durationMs: 1000 }, {}, 'closed loop: a slow'],
  [
    'an environment that one burst used again',
    [cold, sample(9, { instance: 'a' })],
    { cold: 'idle' },
    {},
    /^(?!.*not all cold)/s,
  ],
  [
    'an environment of the burst before',
    [cold, sample(9, { instance: 'a', burst: 1 })],
    { cold: 'idle', bursts: 2 },
    {},
    'not all cold: in spite of --cold idle, 1 ',
  ],
  [
    'none cold',
    [sample(9, { start: 'ahead' })],
    { cold: 'config-bump' },
    {},
    'none cold: in spite of --cold config-bump',
  ],
  [
    'Ctrl-C',
    six,
    { bursts: 20 },
    { end: 'interrupted', bursts: [] },
    'interrupted: by Ctrl-C or an error after 0 of 20 bursts; of what was on its way, the fastest are in the figures.',
  ],
  ['a kill', six, {}, { end: null }, 'no end: the run was killed after 1 of 1 bursts;'],
  [
    'a slow release',
    six,
    {},
    { bursts: [{ burst: 0, releasedAt: '', spreadMs: 31 }] },
    'busy machine: the requests left over 31.0 ms,',
  ],
  [
    'TLS, which takes longer',
    six,
    { target: 'https://[::1]/nlp/ner' },
    { bursts: [{ burst: 0, releasedAt: '', spreadMs: 9 }] },
    /^(?!.*busy machine)/s,
  ],
  [
    'a late open model',
    late,
    { mode: 'rate', rate: 100, durationMs: 500 },
    {},
    'busy machine: 100 % of the requests left over 10 ms late.',
  ],
  [
    'others',
    [sample(9, { limit: 100, remaining: 69, resetS: 9 })],
    {},
    {},
    'others on the key: 30 requests in one minute',
  ],
  [
    'the other run of a pair on the key',
    [sample(9, { limit: 100, remaining: 69, resetS: 9 })],
    { pair: { id: 'p', side: 'a' } },
    {},
    /^(?!.*others on the key)/s,
  ],
])('what to keep in mind: %s', (_name, samples, info, more, expected) => {
  expect(print(samples, info, more)).toMatch(expected);
});

test('what has no latency is counted and explained', () => {
  const text = print([
    sample(5, { start: 'unknown' }),
    sample(1, { outcome: 'kong-429', status: 429 }),
    timeout,
    sample(0, { ...NONE, outcome: 'connection-error', error: 'ECONNRESET' }),
  ]);
  expect(text).toContain('1 of 4 requests succeeded: 1 unknown (median 5.0 ms); 1 took over 60 s.');
  expect(text).toContain('sent 4 = 1 ok + 1 kong-429 + 1 timeout + 1 connection-error');
  expect(text.match(/–.*[●○?]/g)).toEqual(['– 7 ms     ?']);
  expect(text).toContain('nobody can tell');
  expect(text).toContain('connection-error: ECONNRESET');
  expect(print([sample(1, { outcome: '4xx', status: 404, start: 'unknown' })])).toContain(
    'None of 1 requests succeeded (HTTP 404 × 1).',
  );
});

test('what others wrote cannot steer the terminal', () => {
  const evil = '\u009b2J\u001b]0;x\u0007';
  const samples = [sample(5, { initType: evil }), sample(0, { ...NONE, outcome: 'connection-error', error: evil })];
  const text = print(samples, { target: `http://127.0.0.1/${evil}` });
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
  expect(text).toContain('init type: 1 \u{fffd}2J');
});
