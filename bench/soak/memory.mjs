// The memory of the soak's parts, and whether it grows: the slope of means of whole cycles of faults, with its interval.
import { criticalT } from '../../packages/loadtest/dist/index.js';
import { rssMb } from '../processes.mjs';

/** @typedef {import('./soak.mjs').System} System */
/** @typedef {import('../report.mjs').Row} Row */

/** Cycles, of which fewer say nothing of an hour. */
export const LEAST = 5;

/** MB an hour. `WIDEST`: half of an interval that still says something. */
const MOST = 1;
const WIDEST = 20;

const MUST_BE_FLAT = `≤ ${MOST} MB an hour, or an interval of ± ${WIDEST} at most that holds 0`;

/**
 * The slope of a straight line through means, MB an hour, and the interval that has the true one with 95 %.
 *
 * @param {number[]} means of MB, one a cycle, at least 3
 * @param {number} seconds of a cycle
 */
function slope(means, seconds) {
  const n = means.length;
  const [x0, y0] = [(n - 1) / 2, mean(means)];
  const squares = means.reduce((sum, _, x) => sum + (x - x0) ** 2, 0);
  const perCycle = means.reduce((sum, y, x) => sum + (x - x0) * (y - y0), 0) / squares;
  const left = means.reduce((sum, y, x) => sum + (y - y0 - perCycle * (x - x0)) ** 2, 0);
  const half = criticalT(n - 2) * Math.sqrt(left / (n - 2) / squares);
  const hour = 3600 / seconds;
  return { slope: perCycle * hour, low: (perCycle - half) * hour, high: (perCycle + half) * hour };
}

/** @param {{ low: number, high: number }} interval */
function flat({ low, high }) {
  if (high <= MOST) return 'reached';
  if (low > MOST) return 'falls short';
  return low <= 0 && high - low <= 2 * WIDEST ? 'reached' : 'undecided';
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const WHAT = /** @type {const} */ ({
  'client live': 'client, what lives after the collector',
  client: 'client, resident',
  'gateway live': 'gateway, what lives after the collector',
  gateway: 'gateway, resident',
  'host live': "the function's host, what lives after the collector",
  host: "the function's host, resident",
  oldest: 'a Python process that nobody kills, resident',
});

/** What each part weighs, in MB, by cycles. */
export class Memory {
  /** @type {Map<string, number[][]>} */
  #weighed = new Map();
  /** @type {{ id: string, requests: number } | undefined} */
  #oldest;

  /** @param {number} cycleS */
  constructor(cycleS) {
    this.cycleS = cycleS;
  }

  /** @param {System} system @param {number} cycle */
  async weigh(system, cycle) {
    for (const [name, { process }] of Object.entries(system)) this.#note(name, cycle, rssMb(process.pid ?? 0));
    const [oldest] = await system.host.ask('environments');
    // After the one before has ended, another is the oldest, and begins anew.
    if (oldest?.id !== this.#oldest?.id) this.#weighed.delete('oldest');
    this.#oldest = oldest;
    this.#note('oldest', cycle, oldest?.rssMb);
  }

  /** @param {System} system @param {number} cycle */
  async weighLive(system, cycle) {
    for (const [name, part] of Object.entries(system)) this.#note(`${name} live`, cycle, await part.ask('live'));
  }

  /** @returns {Row[]} */
  rows() {
    return Object.entries(WHAT).map(([name, words]) => {
      const cycles = (this.#weighed.get(name) ?? []).filter((some) => some.length > 0);
      const all = cycles.flat();
      const requests = name === 'oldest' ? `, ${this.#oldest?.requests.toLocaleString('en')} requests` : '';
      const what = `memory: ${words}${requests}`;
      const held = `${mean(all).toFixed(0)} MB, ${all.reduce((a, b) => Math.max(a, b), 0).toFixed(0)} at most`;
      const means = cycles.map(mean);
      if (means.length < LEAST) return { what, must: '', value: held, verdict: '' };
      const found = slope(means, this.cycleS);
      const interval = `${found.slope.toFixed(1)} [${found.low.toFixed(1)} to ${found.high.toFixed(1)}] MB an hour`;
      return { what, must: MUST_BE_FLAT, value: `${interval}; ${held}`, verdict: flat(found) };
    });
  }

  /** @param {string} name @param {number} cycle @param {number | undefined} mb */
  #note(name, cycle, mb) {
    if (mb === undefined) return;
    const cycles = this.#weighed.get(name) ?? [];
    this.#weighed.set(name, cycles);
    while (cycles.length <= cycle) cycles.push([]);
    cycles[cycle]?.push(mb);
  }
}
