import { NINE } from './kong.mjs';

/**
 * The least time in which anybody could send `requests` one after another in `slots` slots without a refusal.
 *
 * @param {object} load
 * @param {number} load.requests
 * @param {number} load.limit requests a calendar minute
 * @param {number} load.slots
 * @param {number} load.second of the minute to start at
 * @param {number} load.service ms
 * @param {number} load.way ms to the gateway, or back
 * @returns {number} s
 */
export function leastPossible({ requests, limit, slots, second, service, way }) {
  const free = Array.from({ length: slots }, () => 0);
  const used = new Map();
  let end = 0;
  for (let i = 0; i < requests; i++) {
    free.sort((a, b) => a - b);
    let arrival = (free[0] ?? 0) + way;
    const minute = () => Math.floor((NINE + second * 1000 + arrival) / 60_000);
    while ((used.get(minute()) ?? 0) >= limit) arrival = (minute() + 1) * 60_000 - NINE - second * 1000;
    used.set(minute(), (used.get(minute()) ?? 0) + 1);
    end = free[0] = arrival + service + way;
  }
  return end / 1000;
}
