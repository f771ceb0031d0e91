// Whether the plan's simulation says what packages/emulator does. Run by `npm run bench -- loadtest`; alone, `node
// bench/loadtest/plan.mjs [--quick]` prints the rows as JSON lines.
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { Pool, planFrom, Requests, runBurst } from '../../packages/loadtest/dist/index.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { validate } from './validate.mjs';

/**
 * @typedef {import('../report.mjs').Row} Row
 * @typedef {import('../../packages/loadtest/dist/index.js').PlanRow} PlanRow
 * @typedef {import('../../packages/loadtest/dist/index.js').Percentile} Percentile
 * @typedef {import('./validate.mjs').Validation} Validation
 * @typedef {[n: number, provisioned: number, reserved: number]} Setting
 */

/** So long that what this machine adds, some milliseconds a request, stays within the bound. */
const [WARM_MS, COLD_MS] = [4000, 9000];
/** Its init is cut after 10 s and done again. */
const CUT_MS = 10_000 + 12_000 + WARM_MS;
/** Cold starts at once with real spaCy: always as many, since they share the cores of this machine. */
const COLD = 3;
/** It takes longer than a burst to arrive, so that no environment is free again before the last request. */
const TEXT = 'Ada Lovelace wrote to Charles Babbage in London on 10 July 1843 about the Analytical Engine. '.repeat(60);

/**
 * @param {{ quick?: boolean }} [options] one setting, and a fifth of the bursts
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  /** @type {Setting[]} */
  const settings = quick
    ? [[20, 10, 15]]
    : [
        [10, 0, 50],
        [20, 5, 50],
        [20, 10, 15],
        [20, 20, 50],
        [100, 10, 10],
      ];
  const all = [];
  for (const setting of settings) all.push(await fixed(setting, COLD_MS, quick ? 1 : 5));
  if (!quick) all.push(await fixed([4, 1, 50], CUT_MS, 2), await overLimit());
  return [...all, ...(await spacy(quick ? 4 : 20))];
}

/**
 * A function of fixed times.
 * @param {Setting} setting @param {number} coldMs @param {number} bursts
 * @returns {Promise<Row>}
 */
async function fixed(setting, coldMs, bursts) {
  const validation = await measure(setting, coldMs, bursts);
  const { row, p50, p95, counts, ownMs } = validation;
  const errors = [error(row.p50.value, p50), error(row.p95.value, p95)];
  const exact = Object.values(counts).every(({ predicted, measured }) => predicted.every((n) => n === measured));
  const cut = coldMs === CUT_MS ? ', init cut at 10 s' : '';
  return {
    what: `plan: ${name(setting)}, ${WARM_MS / 1000} s warm, ${coldMs / 1000} s cold${cut}: against the emulator`,
    must: 'p50, p95 within 5 %; counts exact',
    value: `p50 ${signed(errors[0])}, p95 ${signed(errors[1])}; counts ${exact ? 'exact' : told(counts)} (${bursts} bursts; emulator's own time ${ownMs.toFixed(0)} ms)`,
    verdict: exact && errors.every((by) => Math.abs(by) <= 0.05) ? 'reached' : 'falls short',
  };
}

/** More at once than the gateway's limit: what it admits is a range. @returns {Promise<Row>} */
async function overLimit() {
  /** @type {Setting} */
  const setting = [150, 10, 10];
  const { counts } = await measure(setting, COLD_MS, 1);
  const within = Object.values(counts).every(
    ({ predicted: [least, most], measured }) => measured >= least && measured <= most,
  );
  return {
    what: `plan: ${name(setting)}, limit 100: against the emulator`,
    must: 'counts within what is predicted',
    value: told(counts),
    verdict: within ? 'reached' : 'falls short',
  };
}

/** @param {Setting} setting @param {number} coldMs @param {number} bursts @returns {Promise<Validation>} */
async function measure([n, provisioned, reserved], coldMs, bursts) {
  const feed = fed([WARM_MS], [coldMs]);
  const [row] = planFrom(feed, { n: [n], provisioned: [provisioned], reserved });
  if (!row) throw new Error('nothing was planned');
  return await validate(feed, row, bursts);
}

/**
 * The real function and model. Planned from bursts of N = 4, P = 1; every second burst of these, and those of the
 * others, are what is predicted. All bursts alternate, so that a machine that gets slower does so for all.
 * @param {number} bursts
 * @returns {Promise<Row[]>}
 */
async function spacy(bursts) {
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  /** @type {Target[]} */
  const targets = [];
  try {
    for (const provisioned of [1, 0, 2]) targets.push(await Target.start(provisioned, model));
    /** @type {{ warm: number[], cold: number[] }} */
    const pools = { warm: [], cold: [] };
    for (let round = 0; round <= bursts; round++) {
      for (const target of targets) {
        // The first opens connections and has code compiled.
        const found = await target.burst();
        if (round > 0) target.latencies.push(...found.map(({ ms }) => ms));
      }
      const found = await /** @type {Target} */ (targets[0]).burst();
      if (round > 0) for (const { ms, cold } of found) pools[cold ? 'cold' : 'warm'].push(ms);
    }
    if (![pools.warm, pools.cold, ...targets.map(({ latencies }) => latencies)].every(({ length }) => length > 0)) {
      throw new Error(`no burst of the benchmark had ${COLD} cold starts`);
    }
    return targets.map(({ n, provisioned, latencies }) => {
      const [planned] = planFrom(fed(pools.warm, pools.cold), { n: [n], provisioned: [provisioned] });
      const { p50, p95 } = /** @type {PlanRow} */ (planned);
      // Of whole bursts.
      const pool = Pool.of(
        latencies,
        latencies.map((_, at) => Math.floor(at / n)),
      );
      const compared = [
        { predicted: p50, measured: pool.percentile(0.5) },
        { predicted: p95, measured: pool.percentile(0.95) },
      ];
      const errors = compared.map(({ predicted, measured }) => error(predicted.value, measured));
      const verdicts = compared.map(({ predicted, measured }, i) => {
        if (Math.abs(errors[i] ?? 1) <= 0.05) return 'reached';
        const apart =
          (measured.lower ?? 0) > 1.05 * (predicted.upper ?? Number.POSITIVE_INFINITY) ||
          (measured.upper ?? Number.POSITIVE_INFINITY) < 0.95 * (predicted.lower ?? 0);
        return apart ? 'falls short' : 'undecided';
      });
      return {
        what: `plan: real spaCy, N ${n}, P ${provisioned}, ${COLD} cold starts at once on this machine's cores: against the emulator`,
        must: 'p50, p95 within 5 %',
        value: `p50 ${signed(errors[0])}, p95 ${signed(errors[1])} (${latencies.length / n} of ${bursts} bursts had ${COLD}; planned from ${pools.cold.length / COLD} others, of N 4, P 1)`,
        verdict:
          verdicts.find((each) => each === 'falls short') ?? verdicts.find((each) => each !== 'reached') ?? 'reached',
      };
    });
  } finally {
    await Promise.all(targets.map((target) => target.close()));
  }
}

class Target {
  /** @type {number[]} */
  latencies = [];

  /** @param {import('../../packages/emulator/dist/index.js').Emulator} emulator @param {number} provisioned */
  constructor(emulator, provisioned) {
    this.emulator = emulator;
    this.provisioned = provisioned;
    this.n = provisioned + COLD;
  }

  /** @param {number} provisioned @param {string} model */
  static async start(provisioned, model) {
    const emulator = await startEmulator({
      kong: path.join(root, 'kong/kong.yaml'),
      service: path.join(root, 'packages/service'),
      ...{ python, model, provisioned, startsAtOnce: COLD, idleMs: 1, env: {} },
    });
    return new Target(emulator, provisioned);
  }

  async burst() {
    while (this.emulator.environments().length > this.provisioned) await sleep(20);
    const apiKey = this.emulator.keys['load-generator'];
    const { samples } = await runBurst({
      url: new URL(this.emulator.endpoint),
      apiKey,
      requests: Requests.of(TEXT),
      n: this.n,
    });
    const answered = samples.map(({ outcome, start, sentMs, lastByteMs }) => {
      if (outcome !== 'ok' || lastByteMs === null) throw new Error(`a request of the benchmark ended with ${outcome}`);
      return { ms: lastByteMs - sentMs, cold: start === 'cold' };
    });
    // With fewer cold starts at once each is faster: not what is planned.
    return answered.filter((answer) => answer.cold).length === COLD ? answered : [];
  }

  close() {
    return this.emulator.close();
  }
}

/** @param {number[]} warm @param {number[]} cold */
function fed(warm, cold) {
  return { warm: Pool.of(warm), cold: Pool.of(cold), billedMs: { warm: 0, cold: 0 }, billedByReport: false };
}

/** @param {number} predicted @param {Percentile} measured */
function error(predicted, { value }) {
  return (value ?? Number.NaN) / predicted - 1;
}

/** @param {number | undefined} share */
function signed(share = Number.NaN) {
  return `${share < 0 ? '' : '+'}${(100 * share).toFixed(1)} %`;
}

/** @param {Setting} setting */
function name([n, provisioned, reserved]) {
  return `N ${n}, P ${provisioned}, R ${reserved}`;
}

/** @param {Validation['counts']} counts */
function told(counts) {
  return Object.entries(counts)
    .map(([fate, { predicted, measured }]) => `${fate} ${measured} of ${[...new Set(predicted)].join(' to ')}`)
    .join(', ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const row of await rows({ quick: process.argv.includes('--quick') })) console.log(JSON.stringify(row));
}
