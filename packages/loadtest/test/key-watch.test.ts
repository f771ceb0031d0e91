import { expect, test } from 'vitest';
import { KeyWatch } from '../src/key-watch.js';

const NOON = Date.UTC(2026, 0, 5, 12);

/** Answers of a gateway whose clock is ahead by so many ms, as it counts one request after the other. */
function watch(requests: { at: number; remaining: number }[], aheadMs = 0): KeyWatch {
  const key = new KeyWatch();
  for (const { at, remaining } of requests) {
    const second = Math.floor((NOON + at + aheadMs) / 1000) % 60;
    key.see({ sentMs: at, limit: 100, remaining, resetS: 60 - second }, NOON);
  }
  return key;
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

test('requests without an answer may have been counted', () => {
  const key = watch(upTo(10).map((i) => ({ at: i, remaining: 94 - i })));
  expect(key.others).toBe(5);
  for (const _ of upTo(5)) key.see({ sentMs: 0, limit: null, remaining: null, resetS: null }, NOON);
  expect(key.others).toBe(0);
});
