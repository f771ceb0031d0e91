import type { Clock } from './clock.js';

// A timer's longest delay is 2^31 - 1 ms; a wait that ends early looks again.
const LONGEST_SLEEP_MS = 3_600_000;

/** Calls a function at one time, the last that was set. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #set: { at: number; off: AbortController } | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** @param at when to ring, by the clock; undefined: not at all */
  set(at: number | undefined): void {
    if (this.#set?.at === at) return;
    this.#set?.off.abort();
    this.#set = undefined;
    if (at === undefined) return;
    const set = { at, off: new AbortController() };
    this.#set = set;
    const ms = Math.max(1, Math.ceil(at - this.#clock.now()));
    this.#clock.sleep(Math.min(ms, LONGEST_SLEEP_MS), set.off.signal).then(
      () => {
        if (this.#set !== set) return;
        this.#set = undefined;
        this.#ring();
      },
      () => {}, // set to another time
    );
  }
}
