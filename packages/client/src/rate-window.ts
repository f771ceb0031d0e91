import type { Interval } from './pace.js';
import type { RateLimit } from './rate-headers.js';
import { PERIODS, type Period, windowEnd } from './server-clock.js';

/** One limit of the gateway in its window of now. */
export class RateWindow {
  readonly period: Period;
  readonly #share: number;
  start: number;
  /** Requests a window. */
  limit = 0;
  /** Ours that the gateway may have counted in this window. */
  ours: number;
  /** A random part of the wait for the next window, where others wait for it too, in ms. */
  spread = 0;
  /** How many of others the gateway had counted for certain by the last answer. */
  #others = 0;
  /** The same, and ours, by the answer that showed that there are others at all. */
  #met: { ours: number; others: number } | undefined;
  #limitAt = Number.NEGATIVE_INFINITY;

  constructor(period: Period, share: number, start: number, ours: number) {
    this.period = period;
    this.#share = share;
    this.start = start;
    this.ours = ours;
  }

  get end(): number {
    return windowEnd(this.period, this.start);
  }

  get used(): number {
    return this.ours + this.#others;
  }

  begin(start: number, ours: number): void {
    this.start = start;
    this.ours = ours;
    this.spread = 0;
    this.#others = 0;
    this.#met = undefined;
  }

  /** @param sentAt when the request was sent that was told so: a later one knows better */
  limited(limit: number, sentAt: number): void {
    if (sentAt < this.#limitAt) return;
    this.limit = limit;
    this.#limitAt = sentAt;
  }

  /**
   * Learns from an answer to a request that arrived in this window.
   *
   * @param spread what to wait longer for the next window, in ms, should this show that somebody else is there
   */
  learn({ limit, remaining }: RateLimit, spread: number): void {
    // Requests overtake each other and are counted late, so only what all of ours cannot explain is of others.
    const others = limit - remaining - this.ours;
    if (others <= this.#others) return;
    this.#others = others;
    if (this.#met) return;
    this.#met = { ours: this.ours, others };
    this.spread = spread;
  }

  /** @param underWay how many of ours have no answer yet */
  full(underWay: number): boolean {
    return this.ours >= this.#portion || this.used + this.#hidden(underWay) >= this.limit;
  }

  /** @param msLeft of this window */
  interval(msLeft: number): Interval {
    const left = Math.min(this.#portion - this.ours, this.limit - this.used);
    return { window: PERIODS[this.period] / (this.#share * this.limit), left: left > 0 ? msLeft / left : 0 };
  }

  get reason(): string {
    const [used, limit] =
      this.ours >= this.#portion ? [this.ours, this.#portion] : [Math.min(this.used, this.limit), this.limit];
    return `${used} of ${limit} used this ${this.period}`;
  }

  /** Each of ours under way may hide one of others, and they go on as before: so many for one of ours. */
  #hidden(underWay: number): number {
    if (!this.#met) return 0;
    const pace = (this.#others - this.#met.others) / Math.max(1, this.ours - this.#met.ours);
    return (1 + pace) * underWay;
  }

  get #portion(): number {
    // 0.29 × 100 is 28.999999999999996.
    return Math.max(1, Math.floor(this.#share * this.limit + 1e-9));
  }
}
