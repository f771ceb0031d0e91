/**
 * The periods of Kong's rate-limiting windows and what its RateLimit-Reset takes each to last, in ms. The windows
 * themselves are of the calendar, in UTC.
 */
export const PERIODS = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  month: 30 * 86_400_000,
  year: 365 * 86_400_000,
} as const;

export type Period = keyof typeof PERIODS;

/** When the window of `period` that holds `instant` began, both in ms since 1970. */
export function windowStart(period: Period, instant: number): number {
  const date = new Date(instant);
  if (period === 'year') return Date.UTC(date.getUTCFullYear(), 0);
  if (period === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  return Math.floor(instant / PERIODS[period]) * PERIODS[period];
}

/** When the window that began at `start` ends. */
export function windowEnd(period: Period, start: number): number {
  // Months and years are longer or shorter than that, but less than by half.
  return windowStart(period, start + 1.5 * PERIODS[period]);
}

// What NTP may slew a clock by, and far more than a crystal drifts.
const DRIFT = 0.0005;

/**
 * The gateway's clock as far as it can be known from here: bounds on how far it is ahead of the local one. Each answer
 * tells its time to a second, and many answers the earliest that it can be to a few ms. Old knowledge fades, as clocks
 * drift. All in ms.
 */
export class ServerClock {
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  #learntAt = 0;

  get known(): boolean {
    return this.#low > Number.NEGATIVE_INFINITY;
  }

  /** At some local time from `from` to `to` the gateway's clock showed `instant`, cut to whole seconds. */
  learn(instant: number, from: number, to: number): void {
    const low = instant - to;
    const high = instant + 1000 - from;
    const faded = DRIFT * (to - this.#learntAt);
    // It cannot be that late: the gateway's clock was set back.
    const back = high < this.#low - faded;
    this.#low = back ? low : Math.max(low, this.#low - faded);
    this.#high = high;
    this.#learntAt = to;
  }

  /** What the gateway's clock shows at least at the local time `at`. */
  earliest(at: number): number {
    return at + this.#low - DRIFT * Math.max(0, at - this.#learntAt);
  }

  /** What the gateway's clock shows at most at the local time `at`. */
  latest(at: number): number {
    return at + this.#high + DRIFT * Math.max(0, at - this.#learntAt);
  }

  /** The local time from which on the gateway's clock shows `instant` or more for certain. */
  whenSurely(instant: number): number {
    const sure = instant - this.#low;
    return sure <= this.#learntAt ? sure : Math.ceil((sure - DRIFT * this.#learntAt) / (1 - DRIFT));
  }
}
