// A request of texts for which nothing is known yet: about half a second of work.
export const FIRST_SIZE = 20_000;
// Below, the way to the service and back weighs too much; above, a request comes near the 20 s after which the service
// begins no more work, should it be slower for once.
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;
// Of a gateway without a limit. Longer requests would save nothing.
const UNLIMITED_MS = 1_000;
const WEIGHT_OF_NEW = 0.3;
// Of about a minute's requests.
const WEIGHT_OF_ONE = 0.02;

/** Between two requests on average, in ms: over a whole window, and over what is left of this one. */
export interface Interval {
  window: number;
  left: number;
}

/**
 * How much work to put in one request: as much server time as lets all slots together just use up the rate limit. With 5
 * slots and 100 requests a minute that is 3 s; less wastes the budget, more lets documents wait for nothing.
 */
export class Pace {
  /** The service's own time for a character; undefined until an answer tells. */
  msPerCharacter: number | undefined;
  /** The part of requests that is smaller than it could be. */
  #extra = 0;

  /** @param ms the service's own time for work of `size` characters */
  learn(size: number, ms: number): void {
    if (!(size > 0 && ms > 0 && ms < Number.POSITIVE_INFINITY)) return;
    const measured = ms / size;
    this.msPerCharacter ??= measured;
    this.msPerCharacter += WEIGHT_OF_NEW * (measured - this.msPerCharacter);
  }

  /** @param extra whether a request that is sent now holds only what had to be sent again: the others make up for it */
  extra(extra: boolean): void {
    this.#extra += WEIGHT_OF_ONE * (Number(extra) - this.#extra);
  }

  /** Work for one request, in characters. @param interval that the rate limit allows; undefined where there is none */
  size(slots: number, interval: Interval | undefined): number {
    if (!this.msPerCharacter) return FIRST_SIZE;
    const ms = interval ? slots * Math.max(interval.window / (1 - this.#extra), interval.left) : UNLIMITED_MS;
    return Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS) / this.msPerCharacter;
  }
}
