import pLimit, { type LimitFunction } from 'p-limit';
import type { Clock } from './clock.js';

const CLEAN_MS = 60_000;

/** Runs work, so much at once: fewer after a throttle, then step by step as many as before. First come, first served. */
export class Slots {
  readonly #most: number;
  readonly #clock: Clock;
  readonly #limit: LimitFunction;
  #halvedAt = Number.NEGATIVE_INFINITY;
  /** Since when the size has stood, or the last slot came back. */
  #cleanSince = 0;

  /** @param size how many run at once, and the most that ever will */
  constructor(size: number, clock: Clock) {
    this.#most = size;
    this.#clock = clock;
    this.#limit = pLimit(size);
  }

  /** How many may run at once now. */
  get size(): number {
    this.#regain();
    return this.#limit.concurrency;
  }

  /** Whether work would run at once. */
  get free(): boolean {
    return this.#limit.activeCount + this.#limit.pendingCount < this.size;
  }

  /** Waits for a slot, then runs `work` in it. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#regain();
    return this.#limit(work);
  }

  /**
   * The function was too busy (Lambda's 429): halves the slots. What runs goes on.
   *
   * @param sentAt when the refused request was sent: one of before the last halving says nothing of the size since
   */
  throttled(sentAt: number): void {
    const now = this.#clock.now();
    if (sentAt >= this.#halvedAt) {
      this.#resize(Math.max(1, Math.floor(this.size / 2)));
      this.#halvedAt = now;
    }
    this.#cleanSince = now;
  }

  /** One slot back for each minute without a throttle. */
  #regain(): void {
    const clean = Math.floor((this.#clock.now() - this.#cleanSince) / CLEAN_MS);
    if (clean === 0) return;
    this.#cleanSince += clean * CLEAN_MS;
    this.#resize(Math.min(this.#most, this.#limit.concurrency + clean));
  }

  #resize(size: number): void {
    if (size !== this.#limit.concurrency) this.#limit.concurrency = size;
  }
}
