// Several processes with one key, each with a client of its own that knows nothing of the others: how much of the limit
// they use together, and how fairly. In virtual time, on a service that is never the limit.

import { Kong, NINE } from './kong.mjs';
import { inTimeOf, seeded, VirtualClock } from './virtual-clock.mjs';
import { VirtualDispatcher } from './virtual-dispatcher.mjs';

const LIMIT = 100;
const SLOTS = 5;
const CHARACTERS = 1000;
const MS_PER_DOCUMENT = 55;
const LONGEST_MS = 8000;
// The gateway's clock shows :20 at the start, so the first two windows are over after 100 s.
const FIRST_SECOND = 20;
const MEASURE_FROM_MS = 100_000;
const WINDOWS = 4;
/** Whether each has its share set, requests at once, and how many workers. @type {[boolean, number, number[]][]} */
const FLEETS = [
  [false, SLOTS, [1, 4, 10, 25]],
  [false, 2, [10]],
  [false, 1, [10]],
  [true, SLOTS, [1, 4, 10, 25]],
];

/**
 * @param {{ quick?: boolean }} [options] quick: fewer seeds
 * @returns {Promise<import('../report.mjs').Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const seeds = quick ? [1] : [1, 2, 3];
  /** @type {import('../report.mjs').Row[]} */
  const all = [];
  for (const [settings, slots, fleets] of FLEETS) {
    for (const workers of fleets) {
      const share = settings ? Math.floor(LIMIT / workers) / LIMIT : 1;
      const runs = [];
      for (const seed of seeds) runs.push(await fleet({ workers, share, slots, seed }));
      const least = Math.min(...runs.map(({ used }) => used));
      const refused = Math.max(...runs.map(({ refused }) => refused));
      const poorest = Math.min(...runs.map(({ poorest }) => poorest));
      const failed = runs.reduce((sum, run) => sum + run.failed, 0);
      const reached = settings
        ? failed === 0 && refused === 0 && least >= 0.95
        : failed === 0 && refused <= 0.03 && least >= 0.85 && poorest >= 0.5;
      all.push({
        what: `${workers} ${workers === 1 ? 'worker' : 'workers'} on one key, ${LIMIT} a minute, ${slots === SLOTS ? '' : `${slots} at once each, `}${settings ? `budgetShare ${share}` : 'no settings'}, from the third window on, the worst of ${seeds.length}`,
        must: settings
          ? '0 failed, 0 × 429, ≥ 0.95 × the documents of the limit'
          : '0 failed, ≤ 3 % × 429, ≥ 0.85 × the documents of the limit, each ≥ 0.5 × its fair share',
        value: `${failed} failed, ${(100 * refused).toFixed(1)} % × 429, ${least.toFixed(2)} × the documents, the poorest ${poorest.toFixed(2)} × its share`,
        verdict: reached ? 'reached' : 'falls short',
      });
    }
  }
  return all;
}

/**
 * Several clients, each with documents without end, until the measured windows are over.
 *
 * @param {{ NerClient?: any, workers: number, share?: number, seed?: number, limit?: number, slots?: number, startMs?: (worker: number) => number, endMs?: (worker: number) => number | undefined, expect?: number, windows?: number, from?: number }} options
 */
export async function fleet({
  NerClient,
  workers,
  share = 1,
  seed = 1,
  limit = LIMIT,
  slots = SLOTS,
  startMs = () => 0,
  endMs = () => undefined,
  expect = workers,
  windows = WINDOWS,
  from = MEASURE_FROM_MS,
}) {
  const Client =
    NerClient ?? (await import(new URL('../../packages/client/dist/index.js', import.meta.url).href)).NerClient;
  const random = seeded(seed);
  const clock = new VirtualClock(random);
  const kong = new Kong(clock, {
    limits: { minute: limit },
    way: () => 5 + 20 * random(),
    server: (local) => NINE + FIRST_SECOND * 1000 + local,
  });
  const until = from + windows * 60_000;
  const text = 'a'.repeat(CHARACTERS);
  return inTimeOf(clock, NINE, async () => {
    const measured = () => clock.now() >= from;
    let answers = 0;
    let refused = 0;
    let failed = 0;
    const work = async (/** @type {number} */ worker) => {
      let documents = 0;
      await clock.sleep(startMs(worker));
      const dispatcher = new VirtualDispatcher(async (texts) => {
        // A window's documents are those of the requests that it admits.
        const answer = await kong.request(MS_PER_DOCUMENT * texts.length, () => {
          if (measured() && clock.now() < until) documents += texts.length;
        });
        if (measured()) {
          answers++;
          if (answer.status === 429) refused++;
        }
        return answer;
      });
      const url = 'http://gateway.test/nlp/ner';
      const ner = new Client({ url, apiKey: 'key', clock, dispatcher, concurrency: slots, budgetShare: share });
      const source = function* () {
        while (clock.now() < (endMs(worker) ?? until)) yield text;
      };
      for await (const { ok } of ner.extractAll(source())) if (!ok) failed++;
      return documents;
    };
    const each = await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
    const documents = each.reduce((sum, it) => sum + it, 0);
    const requestMs = Math.min(LONGEST_MS, (slots * 60_000 * expect) / limit);
    const most = (windows * limit * requestMs) / MS_PER_DOCUMENT;
    return {
      used: documents / most,
      refused: refused / answers,
      poorest: Math.min(...each.filter((_, worker) => endMs(worker) === undefined)) / (documents / expect),
      failed,
    };
  });
}
