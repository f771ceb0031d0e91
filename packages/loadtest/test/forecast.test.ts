import { expect, test } from 'vitest';
import { forecast, type Intent } from '../src/plan/forecast.js';
import { formatDuration } from '../src/report/quantity.js';

const line = (name: string, intent: Partial<Intent>) =>
  new RegExp(`^  ${name} +(.*)$`, 'm').exec(
    forecast({
      ...{ n: 20, bursts: 1, everyMs: null, stages: null, durationMs: null, cold: 'none', timeoutMs: 60_000 },
      ...{ limit: 100, memoryMb: 2048, arch: 'arm64', ...intent },
    }),
  )?.[1];
const rate = (perSecond: number, durationMs = 30_000) => ({
  ...{ n: null, bursts: 0, durationMs },
  stages: [{ from: perSecond, to: perSecond, durationMs }],
});
const LOOP = { n: 10, bursts: 0, durationMs: 30_000 };

test.each([
  [{}, '20', 'at most 60 s'],
  [{ bursts: 20, everyMs: 61_000 }, '400', '19 min 19 s, at most 20 min 19 s if answers time out'],
  // It waits before the first one, too.
  [{ bursts: 2, everyMs: 600_000, cold: 'idle' } as const, '40', '20 min, at most 21 min if answers time out'],
  // A burst whose answers time out holds up the next one.
  [{ bursts: 3, everyMs: 10_000 }, '60', '20 s, at most 3 min if answers time out'],
  [
    { bursts: 2, everyMs: 61_000, cold: 'config-bump' } as const,
    '40',
    '61 s, at most 2 min 1 s if answers time out; and making the function cold before each burst',
  ],
  [rate(0.01), '1', '30 s, at most 90 s if answers time out'],
  [rate(2), '60', '30 s, at most 90 s if answers time out'],
  // Without a list of them.
  [rate(10_000, 86_400_000), '864,000,000', '24 h, at most 24 h 1 min if answers time out'],
  [LOOP, 'as many as are answered', '30 s, at most 90 s if answers time out'],
])('requests and time of %j', (intent, requests, time) => {
  expect([line('requests', intent), line('time', intent)]).toEqual([requests, time]);
});

test('cost, if a second each is billed', () => {
  // 1,000 × 2 GB × 1.33334e-5 $/GB-s, and 2e-7 $ a request.
  expect(line('cost', { n: 1000 })).toBe('about $0.03, if Lambda bills 1 s each at 2048 MB (arm64)');
  expect(line('cost', { n: 1000, memoryMb: 10_240, arch: 'x86_64' })).toMatch(
    /^about \$0\.17, .* 10240 MB \(x86_64\)$/,
  );
  expect(line('cost', {})).toMatch(/^less than \$0\.01, /);
  expect(line('cost', LOOP)).toMatch(/^about \$0\.03 a thousand requests, /);
});

test.each([
  [{ n: 100 }, /^100 a minute lets all through \(at most 100 in a calendar minute\)$/],
  [{ n: 101 }, /may cut this: up to 101 in a calendar minute; Kong counts late/],
  [{ n: 60, bursts: 3, everyMs: 60_000 }, /lets all through \(at most 60 /],
  // At 0, 30 and then in the next minute.
  [{ n: 60, bursts: 3, everyMs: 30_000 }, /may cut this: up to 120 in a calendar minute$/],
  [{ n: 60, bursts: 2, everyMs: 1000 }, /may cut this: up to 120 /],
  [{ n: 60, bursts: 3, everyMs: 30_000, limit: 120 }, /^120 a minute lets all through/],
  [rate(2), /lets all through \(at most 60 /],
  [rate(2, 600_000), /may cut this: up to 120 in a calendar minute$/],
  [LOOP, /^100 a minute cuts what is answered faster than that$/],
])('what the limit does to %j', (intent, sentence) => {
  expect(line('limit', intent)).toMatch(sentence);
});

test('times for people', () => {
  expect([0, 350, 1000, 59_400, 61_000, 120_000, 1_159_000, 3_600_000, 7_500_000].map(formatDuration)).toEqual([
    ...['0 ms', '350 ms', '1 s', '59.4 s', '61 s', '2 min', '19 min 19 s', '1 h', '2 h 5 min'],
  ]);
});
