import { expect, test } from 'vitest';
import type { Outcome } from '../src/run/sample.js';
import { Windows } from '../src/statistics/windows.js';

const NOON = Date.UTC(2026, 0, 5, 12);

/** Answers of a gateway whose clock is ahead by so many ms, as it counts one request after the other. */
function watch(requests: { at: number; remaining: number }[], aheadMs = 0): Windows {
  const windows = new Windows();
  for (const { at, remaining } of requests) {
    const second = Math.floor((NOON + at + aheadMs) / 1000) % 60;
    windows.see({ sentMs: at, outcome: 'ok', limit: 100, remaining, resetS: 60 - second }, NOON);
  }
  return windows;
}
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test.each([0, 29_700, 30_000, 30_300])('alone on a key, whatever the clock of the gateway (%i ms ahead)', (aheadMs) => {
  // Two minutes, a request each 700 ms: both windows of 100 have the room for them.
  let [window, sent] = [0, 0];
  const requests = upTo(171).map((i) => {
    const now = Math.floor((NOON + i * 700 + aheadMs) / 60_000);
    sent = now === window ? sent + 1 : 1;
    window = now;
    return { at: i * 700, remaining: 100 - sent };
  });
  expect(watch(requests, aheadMs)).toMatchObject({ others: 0, limit: 100 });
});

test('what others took of a window is told, and only of that', () => {
  const first = upTo(10).map((i) => ({ at: i * 100, remaining: 99 - i }));
  const second = upTo(10).map((i) => ({ at: 60_000 + i * 100, remaining: 62 - i }));
  expect(watch([...first, ...second]).others).toBe(37);
});

test('the least that any answer tells counts, in whatever order they come', () => {
  expect(watch([50, 30, 52].map((remaining, i) => ({ at: i, remaining }))).others).toBe(67);
});

test('a burst, whose answers all tell nearly the same, raises no alarm', () => {
  expect(watch(upTo(50).map(() => ({ at: 0, remaining: 98 }))).others).toBe(0);
});

test('requests without an answer may have been counted; those that the gateway refused were not', () => {
  const windows = watch(upTo(10).map((i) => ({ at: i, remaining: 94 - i })));
  expect(windows.others).toBe(5);
  const see = (outcome: Outcome, limit: number | null, originMs: number | undefined = NOON) =>
    windows.see({ sentMs: 0, outcome, limit, remaining: limit && 84, resetS: limit && 60 }, originMs);
  for (const _ of upTo(20)) see('kong-429', 100);
  for (const _ of upTo(20)) see('kong-429', null);
  expect(windows.others).toBe(6);
  for (const _ of upTo(2)) see('timeout', null);
  expect(windows.others).toBe(4);
  windows.see({ sentMs: 0, outcome: 'ok', limit: 100, remaining: 0, resetS: 60 }, undefined);
  expect(windows.others).toBe(3);
});
