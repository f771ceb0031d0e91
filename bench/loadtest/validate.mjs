// Fires the bursts of a plan at the emulated Kong and Lambda, whose function waits as long as a run's did: real processes,
// sockets and queues in place of the simulation's rules.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { Pool, Requests, runBurst } from '../../packages/loadtest/dist/index.js';
import { python } from '../../scripts/python.mjs';

/**
 * @typedef {import('../../packages/loadtest/dist/index.js').PlanRow} PlanRow
 * @typedef {import('../../packages/loadtest/dist/index.js').Percentile} Percentile
 * @typedef {import('../../packages/loadtest/dist/index.js').Sample} Sample
 * @typedef {'warm' | 'cold' | 'kong-429' | 'lambda-429' | 'failed'} Fate what became of a request at first
 * @typedef {Record<Fate, { predicted: [least: number, most: number], measured: number }>} Counts of all bursts
 * @typedef {{ row: PlanRow, p50: Percentile, p95: Percentile, counts: Counts, ownMs: number }} Validation `ownMs` is what
 * gateway, runtime and this machine took on top of the function's times: the median request
 */

/**
 * How much longer each request holds its environment, ms for each request of the burst; measured latencies are without
 * it. One process is client, gateway and function's front here, and lets a burst in more slowly than AWS does: an
 * environment must not be free again before the last request has come.
 */
const HELD_MS = 50;
/** Lambda cuts an init on demand after so long, and runs it again inside the first invoke. */
const INIT_LIMIT_MS = 10_000;

/**
 * @param {{ warm: Pool, cold: Pool }} pools what the plan was made of
 * @param {PlanRow} row
 * @param {number} bursts
 * @returns {Promise<Validation>}
 */
export async function validate(pools, row, bursts) {
  const folder = await mkdtemp(path.join(tmpdir(), 'burst-ner-plan-'));
  try {
    const [kong, model] = [path.join(folder, 'kong.yaml'), path.join(folder, 'times.json')];
    await writeFile(kong, KONG_YAML);
    const median = pools.warm.percentile(0.5).value ?? 0;
    const heldMs = HELD_MS * Math.max(10, row.n);
    const init = Array.from(pools.cold.sorted, (ms) => Math.max(0, ms - median));
    const [first, ...warm] = [median, ...pools.warm.sorted].map((ms) => ms + heldMs);
    await writeFile(model, JSON.stringify({ init, first, warm, limit: INIT_LIMIT_MS }));
    return describe(row, await fire(row, bursts, kong, model), bursts, heldMs);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @param {PlanRow} row @param {number} bursts @param {string} kong @param {string} model */
async function fire({ n, provisioned, reserved }, bursts, kong, model) {
  let burst = 0;
  const emulator = await startEmulator({
    ...{ kong, python, model, provisioned, reserved, startsAtOnce: n, env: {} },
    ...{ service: import.meta.dirname, handler: 'sleeper.handler' },
    // Environments on demand have gone before the next burst.
    idleMs: 1,
    // Every burst has a minute of its own.
    now: () => burst * 60_000,
  });
  try {
    /** @type {Sample[]} */
    const samples = [];
    // The first one opens connections and has code compiled; it is not counted.
    for (; burst <= bursts; burst++) {
      while (emulator.environments().length > provisioned) await sleep(20);
      const load = { url: new URL(emulator.endpoint), apiKey: emulator.keys['load-generator'] };
      const fired = await runBurst({ ...load, requests: Requests.of('-'), n, burst });
      if (burst > 0) samples.push(...fired.samples);
    }
    return samples;
  } finally {
    await emulator.close();
  }
}

/** @param {PlanRow} row @param {Sample[]} samples @param {number} bursts @param {number} heldMs @returns {Validation} */
function describe(row, samples, bursts, heldMs) {
  const answered = samples.flatMap(({ outcome, start, sentMs, lastByteMs, nerMs, initMs, burst }) => {
    if (outcome !== 'ok' || lastByteMs === null) return [];
    const waited = (nerMs ?? 0) + (start === 'cold' ? (initMs ?? 0) : 0);
    return [{ ms: lastByteMs - sentMs - heldMs, ownMs: lastByteMs - sentMs - waited, burst }];
  });
  const clusters = answered.map(({ burst }) => burst);
  const latencies = Pool.of(
    answered.map(({ ms }) => ms),
    clusters,
  );
  const own = Pool.of(
    answered.map(({ ownMs }) => ownMs),
    clusters,
  );
  const { n, provisioned, kong429, lambda429 } = row;
  const [least, most] = [n - kong429[1] - lambda429[0], n - kong429[0] - lambda429[1]];
  const [leastWarm, mostWarm] = [Math.min(least, provisioned), Math.min(most, provisioned)];
  /** @param {Fate} fate @param {number} low @param {number} high */
  const counted = (fate, low, high) => ({
    predicted: /** @type {[number, number]} */ ([low * bursts, high * bursts]),
    measured: samples.filter((sample) => fateOf(sample) === fate).length,
  });
  return {
    ...{ row, p50: latencies.percentile(0.5), p95: latencies.percentile(0.95) },
    counts: {
      warm: counted('warm', leastWarm, mostWarm),
      cold: counted('cold', least - leastWarm, most - mostWarm),
      'kong-429': counted('kong-429', ...kong429),
      'lambda-429': counted('lambda-429', ...lambda429),
      failed: counted('failed', 0, 0),
    },
    ownMs: own.percentile(0.5).value ?? Number.NaN,
  };
}

/** @param {Sample} sample @returns {Fate} */
function fateOf({ outcome, start }) {
  if (outcome === 'ok') return start === 'cold' ? 'cold' : 'warm';
  return outcome === 'kong-429' || outcome === 'lambda-429' ? outcome : 'failed';
}

/** The route of kong/kong.yaml, with one consumer; its function is on this machine, and gets no key. */
const KONG_YAML = `_format_version: "3.0"
services:
  - name: nlp-ner-service
    url: '\${{ env "DECK_NER_FUNCTION_URL" }}'
    read_timeout: 45000
    retries: 0
    routes:
      - {name: nlp-ner-route, methods: [POST], paths: [/nlp/ner], strip_path: true}
    plugins:
      - {name: key-auth, config: {key_names: [apikey], hide_credentials: true}}
      - {name: rate-limiting, config: {minute: 100, policy: local, limit_by: consumer}}
consumers:
  - username: load-generator
    keyauth_credentials: [{key: '\${{ env "DECK_LOAD_GENERATOR_KEY" }}'}]
`;
