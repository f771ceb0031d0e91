import type { Usage } from './budget.js';
import { PERIODS } from './server-clock.js';

// A request of texts for which nothing is known yet: about half a second of work.
const FIRST_SIZE = 20_000;
// Below, the way to the service and back weighs too much; above, a request comes near the 20 s after which the service
// begins no more work, should it be slower for once.
const SHORTEST_MS = 500;
const LONGEST_MS = 8_000;
// Of a gateway without a limit. Longer requests would save nothing.
const UNLIMITED_MS = 1_000;
const WEIGHT_OF_NEW = 0.3;

/**
 * How much work to put in one request: as much server time as lets all slots together just use up the rate limit. With 5
 * slots and 100 requests a minute that is 3 s; less wastes the budget, more lets documents wait for nothing.
 */
export class Pace {
  #msPerCharacter: number | undefined;

  /**
   * @param size of the work that was done, in characters
   * @param ms the service's own time for it
   */
  learn(size: number, ms: number): void {
    if (!(size > 0 && ms > 0 && ms < Number.POSITIVE_INFINITY)) return;
    const measured = ms / size;
    const known = this.#msPerCharacter ?? measured;
    this.#msPerCharacter = known + WEIGHT_OF_NEW * (measured - known);
  }

  /**
   * Work for one request, in characters.
   *
   * @param share of the budget that is ours
   */
  size(slots: number, budget: Usage[], share: number): number {
    if (!this.#msPerCharacter) return FIRST_SIZE;
    const intervals = budget.map(({ period, limit }) => PERIODS[period] / (limit * share));
    const ms = intervals.length === 0 ? UNLIMITED_MS : slots * Math.max(...intervals);
    return Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS) / this.#msPerCharacter;
  }
}
