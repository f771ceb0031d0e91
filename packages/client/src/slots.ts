import pLimit, { type LimitFunction } from 'p-limit';
import type { Clock } from './clock.js';

const CLEAN_MS = 60_000;

/** Runs work, so much at once: fewer after a throttle, then step by step as many as before. First come, first served. */
export class Slots {
  readonly #limit: LimitFunction;
  #halvedAt = Number.NEGATIVE_INFINITY;
  /** Since when the size has stood, or the last slot came back. */
  #cleanSince = 0;

  /** @param most how many run at once, and the most that ever will */
  constructor(
    private readonly most: number,
    private readonly clock: Clock,
  ) {
    this.#limit = pLimit(most);
  }

  /** How many may run at once now: one more for each minute without a throttle. */
  get size(): number {
    const clean = Math.floor((this.clock.now() - this.#cleanSince) / CLEAN_MS);
    this.#cleanSince += clean * CLEAN_MS;
    this.#resize(Math.min(this.most, this.#limit.concurrency + clean));
    return this.#limit.concurrency;
  }

  /** Whether work would run at once. */
  get free(): boolean {
    return this.#limit.activeCount + this.#limit.pendingCount < this.size;
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.#limit(work);
  }

  /**
   * The function was too busy (Lambda's 429): halves the slots. What runs goes on.
   *
   * @param sentAt when the refused request was sent: one of before the last halving says nothing of the size since
   */
  throttled(sentAt: number): void {
    const now = this.clock.now();
    if (sentAt >= this.#halvedAt) {
      this.#resize(Math.max(1, Math.floor(this.size / 2)));
      this.#halvedAt = now;
    }
    this.#cleanSince = now;
  }

  #resize(size: number): void {
    if (size !== this.#limit.concurrency) this.#limit.concurrency = size;
  }
}
