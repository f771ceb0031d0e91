import { describe, expect, it } from 'vitest';
import { Slots } from '../src/slots.js';
import { VirtualClock } from './clock.js';

/** Work that goes on until it is told to end. */
function work() {
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const start = (slots: Slots, n: number) =>
    slots.run(() => {
      begun.push(n);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const end = async () => {
    ends.shift()?.();
    await new Promise(setImmediate);
  };
  return { begun, start, end };
}

describe('slots', () => {
  it('run so much at once, in turn', async () => {
    const slots = new Slots(2, new VirtualClock());
    const { begun, start, end } = work();
    const running = [1, 2, 3, 4].map((n) => start(slots, n));
    await new Promise(setImmediate);
    expect(begun).toEqual([1, 2]);
    await end();
    expect(begun).toEqual([1, 2, 3]);
    await end();
    await end();
    await end();
    await Promise.all(running);
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  it('come free when work fails', async () => {
    const slots = new Slots(1, new VirtualClock());
    await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await slots.run(async () => 'next')).toBe('next');
  });

  it('halve at a throttle, once for those that come together, never below one', async () => {
    const clock = new VirtualClock();
    const slots = new Slots(5, clock);
    await clock.sleep(1000);
    for (let sentAt = 0; sentAt < 1000; sentAt += 200) slots.throttled(sentAt);
    expect(slots.size).toBe(2);
    await clock.sleep(2000);
    slots.throttled(999); // of before
    expect(slots.size).toBe(2);
    slots.throttled(clock.now());
    slots.throttled(clock.now());
    expect(slots.size).toBe(1);
  });

  it('come back one a clean minute, up to as many as there were', async () => {
    const clock = new VirtualClock();
    const slots = new Slots(4, clock);
    await clock.sleep(300_000);
    slots.throttled(clock.now());
    await clock.sleep(59_000);
    expect(slots.size).toBe(2);
    slots.throttled(clock.now()); // not clean
    await clock.sleep(59_000);
    expect(slots.size).toBe(1);
    await clock.sleep(1000);
    expect(slots.size).toBe(2);
    await clock.sleep(59_000);
    expect(slots.size).toBe(2);
    await clock.sleep(1000);
    expect(slots.size).toBe(3);
    await clock.sleep(3_600_000);
    expect(slots.size).toBe(4);
  });

  it('let what runs go on when they shrink, and start less after it', async () => {
    const clock = new VirtualClock();
    const slots = new Slots(4, clock);
    const { begun, start, end } = work();
    const running = [1, 2, 3, 4, 5, 6].map((n) => start(slots, n));
    await new Promise(setImmediate);
    slots.throttled(clock.now());
    await end();
    await end();
    expect(begun.length).toBe(4);
    await end();
    expect(begun.length).toBe(5);
    while (begun.length < 6) await end();
    await end();
    await end();
    await Promise.all(running);
  });
});
