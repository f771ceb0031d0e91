import { setTimeout as wait } from 'node:timers/promises';

/** Where time and chance come from; tests pass their own. */
export interface Clock {
  /** Now, in ms. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Resolves after `ms`; rejects at once with `signal.reason` on abort. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: Math.random,
  async sleep(ms, signal) {
    try {
      await wait(ms, undefined, { signal });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

// A timer's longest delay is 2^31 - 1 ms; a wait that ends early looks again.
const LONGEST_SLEEP_MS = 3_600_000;

/** @returns sets when to `ring`, by the clock, in place of when it was to before; undefined: not at all */
export function alarm(clock: Clock, ring: () => void): (at: number | undefined) => void {
  let set: number | undefined;
  let off = new AbortController();
  return (at) => {
    if (at === set) return;
    off.abort();
    set = at;
    if (at === undefined) return;
    off = new AbortController();
    const { signal } = off;
    const end = () => {
      if (signal.aborted) return;
      set = undefined;
      ring();
    };
    const ms = Math.min(Math.max(1, Math.ceil(at - clock.now())), LONGEST_SLEEP_MS);
    clock.sleep(ms, signal).then(end, () => {}); // rejects when it is set to another time
  };
}
