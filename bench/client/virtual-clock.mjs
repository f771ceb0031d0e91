// Time that passes by itself, for libraries that bring their own, too; and chance that is the same in every run.
import { VirtualClock } from '../../packages/client/dist/testing.js';

export { VirtualClock };

/**
 * Lets the timers and the Date of libraries that bring their own time follow `clock` until `work` is done.
 *
 * @template T
 * @param {import('../../packages/client/dist/index.js').Clock & { now: () => number }} clock
 * @param {number} epoch what Date.now() gives when the clock shows 0
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inTimeOf(clock, epoch, work) {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  const now = Date.now;
  const start =
    (/** @type {boolean} */ again) =>
    (/** @type {() => void} */ run, ms = 0) => {
      const timer = new AbortController();
      const sleep = async () => {
        do {
          await clock.sleep(Math.max(1, ms), timer.signal);
          run();
        } while (again);
      };
      sleep().catch((error) => {
        if (!timer.signal.aborted) throw error;
      });
      return Object.assign(timer, { ref: () => timer, unref: () => timer });
    };
  const stop = (/** @type {AbortController | undefined} */ timer) => timer?.abort();
  Object.assign(globalThis, {
    setTimeout: start(false),
    clearTimeout: stop,
    setInterval: start(true),
    clearInterval: stop,
  });
  Date.now = () => epoch + clock.now();
  try {
    return await work();
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    Date.now = now;
  }
}

/**
 * Chance that is the same in every run (mulberry32).
 *
 * @param {number} seed
 * @returns {() => number} numbers in [0, 1)
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
