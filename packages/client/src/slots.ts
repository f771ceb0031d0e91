import type { Clock } from './retry.js';

const CLEAN_MS = 60_000;
// Requests that Lambda refuses together come back together: one event, one halving.
const SAME_THROTTLE_MS = 1000;

/** Runs work, so much at once: fewer after a throttle, then step by step as many as before. First come, first served. */
export class Slots {
  readonly #most: number;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #size: number;
  #running = 0;
  #throttledAt = Number.NEGATIVE_INFINITY;
  /** Since when the size has stood, or the last slot came back. */
  #cleanSince = 0;

  /** @param size how many run at once, and the most that ever will */
  constructor(size: number, clock: Clock) {
    this.#most = size;
    this.#size = size;
    this.#clock = clock;
  }

  /** How many may run at once now. */
  get size(): number {
    this.#regain();
    return this.#size;
  }

  /** How many could start at once now. */
  get idle(): number {
    return Math.max(0, this.size - this.#running);
  }

  /** Waits for a slot, then runs `work` in it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.idle === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#fill();
    }
  }

  /** The function was too busy (Lambda's 429): halves the slots. What runs goes on. */
  throttled(): void {
    const now = this.#clock.now();
    if (now - this.#throttledAt >= SAME_THROTTLE_MS) this.#size = Math.max(1, Math.floor(this.size / 2));
    this.#throttledAt = now;
    this.#cleanSince = now;
  }

  /** One slot back for each minute without a throttle. */
  #regain(): void {
    const clean = Math.floor((this.#clock.now() - this.#cleanSince) / CLEAN_MS);
    if (clean === 0) return;
    this.#size = Math.min(this.#most, this.#size + clean);
    this.#cleanSince += clean * CLEAN_MS;
  }

  #fill(): void {
    for (let free = this.idle; free > 0; free--) {
      const start = this.#waiting.shift();
      if (!start) return;
      this.#running++; // now, so that nobody slips in before it starts
      start();
    }
  }
}
