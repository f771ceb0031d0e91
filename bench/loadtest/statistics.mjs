// Whether the load test's statistics keep what they promise, and what its samples weigh. Run by `npm run bench --
// loadtest`; alone, `node bench/loadtest/statistics.mjs [--quick]` prints the rows as JSON lines.
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  compare,
  judge,
  Pool,
  parseThreshold,
  planFrom,
  rankInterval,
  Samples,
  summarise,
} from '../../packages/loadtest/dist/index.js';
import {
  BURSTS,
  binomial,
  latenciesOf,
  MOST_VALUES,
  mannWhitney,
  N,
  normals,
  resampled,
  runOf,
  SAMPLE,
  sum,
  WITHIN,
  welch,
} from './simulated.mjs';

/** @typedef {import('../report.mjs').Row} Row */

const SELF = fileURLToPath(import.meta.url);

/**
 * @param {{ quick?: boolean }} [options] a fifth of the simulated comparisons
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const runs = quick ? 400 : 2000;
  return [
    ...[0.5, 0.9, 0.95, 0.99].map(coverage),
    falseAlarms('scatter', true, [0, 0.03, 0.06, 0.1], runs),
    falseAlarms('scatter', false, [0, 0.03, 0.06, 0.1], runs),
    falseAlarms('slope', true, [0.03, 0.06, 0.1], runs),
    { ...falseAlarms('slope', false, [0.03, 0.06, 0.1], runs), must: '', verdict: '' },
    found('scatter', [0, 0.03, 0.06], runs),
    { ...found('scatter', [0.1], runs), must: '', verdict: '' },
    found('slope', [0.03, 0.06, 0.1], runs),
    judged('p50', [0, 0.03, 0.06, 0.1], runs),
    judged('p95', [0, 0.03, 0.06, 0.1], runs),
    ...['p50', 'p95'].map((name) => following(/** @type {'p50' | 'p95'} */ (name), [0, 0.5, 0.9], runs / 4)),
    ratesCompared([0, 0.5, 0.9], runs / 2),
    ...[5, 20].map((bursts) => planned(bursts, [0, 0.05, 0.1, 0.2], 500)),
    memory(),
  ];
}

const LEAST = 0.94;
/** The exact coverage of a bootstrap takes time as n squared. */
const MOST_RESAMPLED = 200;

/**
 * How often the ranks cover percentile p of n independent values of a continuous distribution, by the binomial
 * distribution itself. A missing end covers all on its side; so that this hides nothing, the least is also told of the
 * n with both ends.
 * @param {number} p @returns {Row}
 */
function coverage(p) {
  let [least, leastWhole, leastResampled, both] = [1, 1, 1, 0];
  for (let n = 5; n <= MOST_VALUES; n++) {
    const below = binomial(n, p);
    const { lower, upper } = rankInterval(n, p);
    const covered = sum(below.subarray(lower ?? 0, upper ?? n + 1));
    least = Math.min(least, covered);
    if (lower !== null && upper !== null) {
      both ||= n;
      leastWhole = Math.min(leastWhole, covered);
    }
    if (n <= MOST_RESAMPLED) leastResampled = Math.min(leastResampled, sum(below.subarray(...resampled(n, p))));
  }
  return {
    what: `rank interval of p${100 * p}, every n from 5 to ${MOST_VALUES}: least coverage, exact`,
    must: `≥ ${percent(LEAST)}`,
    value: `${percent(least)}; ${percent(leastWhole)} from n = ${both}, where both ends exist`,
    peers: { [`percentile bootstrap, n ≤ ${MOST_RESAMPLED}`]: percent(leastResampled) },
    verdict: Math.min(least, leastWhole) >= LEAST ? 'reached' : 'falls short',
  };
}

/**
 * How the target's speed changes while it is measured. `scatter`: each burst has a speed of its own, with that standard
 * deviation. `slope`: from the first burst to the last of both runs it slows by that share, evenly.
 * @typedef {'scatter' | 'slope'} Drift
 */

/** @param {Drift} drift @param {boolean} alternate @param {number[]} sizes @param {number} runs @returns {Row} */
function falseAlarms(drift, alternate, sizes, runs) {
  const found = sizes.map((size) => simulate({ drift, alternate, size, effect: 0, runs }));
  const list = (/** @type {(share: typeof found[0]) => number} */ of) =>
    found.map((one) => percent(of(one))).join(', ');
  return {
    what: `the same target twice, ${words(drift, sizes)}, ${alternate ? 'bursts alternate' : 'one run after the other'}: a difference is seen`,
    must: '≤ 7 %',
    value: list(({ ours }) => ours),
    peers: {
      'Mann-Whitney over requests': list(({ mannWhitney }) => mannWhitney),
      'Welch over requests': list(({ welch }) => welch),
    },
    verdict: found.every(({ ours }) => ours <= 0.07) ? 'reached' : 'falls short',
  };
}

/** @param {Drift} drift @param {number[]} sizes @param {number} runs @returns {Row} */
function found(drift, sizes, runs) {
  const shares = sizes.map((size) => simulate({ drift, alternate: true, size, effect: 0.1, runs }).worse);
  return {
    what: `a target 10 % slower, ${words(drift, sizes)}, bursts alternate: told to be worse`,
    must: '≥ 85 %',
    value: shares.map(percent).join(', '),
    verdict: shares.every((share) => share >= 0.85) ? 'reached' : 'falls short',
  };
}

/**
 * `run --fail-if` with the target's true percentile as the bound: whatever is decided is wrong.
 * @param {'p50' | 'p95'} name @param {number[]} sizes @param {number} runs @returns {Row}
 */
function judged(name, sizes, runs) {
  const z = name === 'p50' ? 0 : 1.644854;
  const shares = sizes.map((size) => {
    const normal = normals(`judged ${name} ${size}`);
    const bound = 175 * Math.exp(z * Math.hypot(WITHIN, size));
    const threshold = parseThreshold(`warm.${name} > ${bound.toFixed(6)}ms`, 'run');
    const wrong = { bursts: 0, requests: 0 };
    for (let nth = 0; nth < runs; nth++) {
      const run = runOf(
        latenciesOf(normal, () => 175 * Math.exp(size * normal())),
        null,
      );
      const summary = summarise(run.samples, 'sent');
      if (judge(threshold, run, summary).verdict !== 'undecided') wrong.bursts++;
      const sorted = Array.from(run.samples, ({ lastByteMs }) => lastByteMs ?? 0).sort((a, b) => a - b);
      const { lower, upper } = rankInterval(sorted.length, name === 'p50' ? 0.5 : 0.95);
      const at = (/** @type {number | null} */ rank, /** @type {number} */ none) => sorted[(rank ?? 0) - 1] ?? none;
      if (at(lower, 0) > bound || at(upper, Number.POSITIVE_INFINITY) <= bound) wrong.requests++;
    }
    return { bursts: wrong.bursts / runs, requests: wrong.requests / runs };
  });
  return {
    what: `run --fail-if, the bound is the true ${name}, ${words('scatter', sizes)}: decided, and so wrong`,
    must: '≤ 7 %',
    value: shares.map(({ bursts }) => percent(bursts)).join(', '),
    peers: { 'exact interval over requests': shares.map(({ requests }) => percent(requests)).join(', ') },
    verdict: shares.every(({ bursts }) => bursts <= 0.07) ? 'reached' : 'falls short',
  };
}

/**
 * `run --fail-if` of a rate whose latencies follow each other: an autoregression of order 1 of their logarithms.
 * @param {'p50' | 'p95'} name @param {number[]} sizes @param {number} runs @returns {Row}
 */
function following(name, sizes, runs) {
  const bound = 100 * Math.exp(0.3 * (name === 'p50' ? 0 : 1.644854));
  const threshold = parseThreshold(`warm.${name} > ${bound.toFixed(6)}ms`, 'run');
  const shares = sizes.map((by) => {
    const normal = normals(`following ${name} ${by}`);
    let wrong = 0;
    for (let nth = 0; nth < runs; nth++) {
      const run = rateOf(normal, by);
      if (judge(threshold, run, summarise(run.samples, 'intended')).verdict !== 'undecided') wrong++;
    }
    return wrong / runs;
  });
  return {
    what: `run --rate 20 --duration 60s --fail-if, the bound is the true ${name}, latencies with an autocorrelation of ${sizes.join(', ')}: decided, and so wrong`,
    must: '≤ 7 %',
    value: shares.map(percent).join(', '),
    verdict: shares.every((share) => share <= 0.07) ? 'reached' : 'falls short',
  };
}

/**
 * A minute of `run --rate 20`, whose latencies follow each other.
 * @param {() => number} normal @param {number} by their autocorrelation @param {number} [ms] their median
 * @returns {import('./simulated.mjs').Run}
 */
function rateOf(normal, by, ms = 100) {
  let x = normal();
  const samples = Samples.from(
    Array.from({ length: 1200 }, (_, i) => {
      x = by * x + Math.sqrt(1 - by * by) * normal();
      return { ...SAMPLE, intendedMs: i * 50, sentMs: i * 50, lastByteMs: i * 50 + ms * Math.exp(0.3 * x) };
    }),
  );
  const run = runOf([], null);
  return { ...run, info: { ...run.info, mode: 'rate', n: null, bursts: 0, rate: 20, durationMs: 60_000 }, samples };
}

/** `compare` of two runs of a rate: alike, and one of 10 % more. @param {number[]} sizes @param {number} runs @returns {Row} */
function ratesCompared(sizes, runs) {
  const shares = [1, 1.1].map((times) =>
    sizes.map((by) => {
      const normal = normals(`rates ${by} ${times}`);
      let seen = 0;
      for (let nth = 0; nth < runs; nth++) {
        const [effect] = compare(rateOf(normal, by), rateOf(normal, by, 100 * times)).effects;
        if (times === 1 ? effect && (effect.lower > 0 || effect.upper < 0) : effect?.verdict === 'broken') seen++;
      }
      return seen / runs;
    }),
  );
  const [alike = [], slower = []] = shares;
  return {
    what: `two runs of --rate 20 --duration 60s, latencies with an autocorrelation of ${sizes.join(', ')}: a difference is seen where there is none; 10 % more are told to be worse`,
    must: '≤ 7 % where there is none',
    value: `${alike.map(percent).join(', ')}; ${slower.map(percent).join(', ')}`,
    verdict: alike.every((share) => share <= 0.07) ? 'reached' : 'falls short',
  };
}

/**
 * How often the intervals of `plan` hold the true percentiles of a burst that is all cold. A missing end holds what lies
 * on its side, and is counted apart.
 * @param {number} bursts @param {number[]} sizes @param {number} runs @returns {Row}
 */
function planned(bursts, sizes, runs) {
  const found = sizes.map((size) => {
    const normal = normals(`planned ${bursts} ${size}`);
    const truth = [3000, 3000 * Math.exp(1.644854 * Math.hypot(size, 0.15))];
    const [covered, whole] = [
      [0, 0],
      [0, 0],
    ];
    for (let nth = 0; nth < runs; nth++) {
      const cold = new Pool();
      for (let burst = 0; burst < bursts; burst++) {
        const typical = 3000 * Math.exp(size * normal());
        for (let i = 0; i < 20; i++) cold.push(typical * Math.exp(0.15 * normal()), burst);
      }
      const feed = { warm: Pool.of([100]), cold, billedMs: { warm: 100, cold: 3000 }, billedByReport: true };
      const [row] = planFrom(feed, { n: [20], provisioned: [0], seed: nth + 1 });
      for (const [i, found] of [row?.p50, row?.p95].entries()) {
        const { lower = null, upper = null } = found ?? {};
        const holds = (lower ?? 0) <= (truth[i] ?? 0) && (upper ?? Number.POSITIVE_INFINITY) >= (truth[i] ?? 0);
        covered[i] = (covered[i] ?? 0) + Number(holds);
        whole[i] = (whole[i] ?? 0) + Number(lower !== null && upper !== null);
      }
    }
    return { covered: covered.map((count) => count / runs), whole: whole.map((count) => count / runs) };
  });
  const list = (/** @type {'covered' | 'whole'} */ of, /** @type {number} */ i) =>
    found.map((one) => percent(one[of][i] ?? 0)).join(', ');
  return {
    what: `plan, from ${bursts} cold bursts of 20 whose speed scatters by ${sizes.map((size) => 100 * size).join(', ')} %: its interval holds the truth, ${runs} runs`,
    must: '≥ 92 %',
    value: `p50 ${list('covered', 0)}; p95 ${list('covered', 1)} (with both ends: p50 ${list('whole', 0)}; p95 ${list('whole', 1)})`,
    verdict: found.every(({ covered }) => covered.every((share) => share >= 0.92)) ? 'reached' : 'falls short',
  };
}

/** @param {Drift} drift @param {number[]} sizes */
function words(drift, sizes) {
  const list = sizes.map((size) => 100 * size).join(', ');
  const how = drift === 'scatter' ? `a burst's speed scatters by ${list} %` : `it slows by ${list} % on the way`;
  return `${BURSTS} bursts of ${N} each, ${how}`;
}

/**
 * Compares simulated runs, the same ones each time.
 * @param {{ drift: Drift, alternate: boolean, size: number, effect: number, runs: number }} design
 * @returns the shares of comparisons that see a difference, in either direction or, `worse`, in the right one
 */
function simulate({ drift, alternate, size, effect, runs }) {
  const normal = normals(`${drift} ${alternate} ${size} ${effect}`);
  const seen = { ours: 0, worse: 0, mannWhitney: 0, welch: 0 };
  for (let run = 0; run < runs; run++) {
    const [a, b] = /** @type {const} */ (['a', 'b']).map((side, second) => {
      const latencies = latenciesOf(normal, (burst) => {
        const at = alternate ? 2 * burst + second : burst + BURSTS * second;
        const speed = drift === 'scatter' ? Math.exp(size * normal()) : 1 + (size * at) / (2 * BURSTS - 1);
        return 175 * speed * (1 + second * effect);
      });
      return { latencies, run: runOf(latencies, alternate ? { id: 'simulated', side } : null) };
    });
    if (!a || !b) throw new Error('two runs were made');
    const [median] = compare(a.run, b.run).effects;
    if (!median) throw new Error('a comparison says nothing');
    if (median.lower > 0 || median.upper < 0) seen.ours++;
    if (median.verdict === 'broken') seen.worse++;
    if (Math.abs(mannWhitney(a.latencies, b.latencies)) > 1.96) seen.mannWhitney++;
    if (Math.abs(welch(a.latencies, b.latencies)) > 1.96) seen.welch++;
  }
  const share = (/** @type {number} */ count) => count / runs;
  return {
    ...{ ours: share(seen.ours), worse: share(seen.worse) },
    ...{ mannWhitney: share(seen.mannWhitney), welch: share(seen.welch) },
  };
}

const KEPT = 100_000;

/** @returns {Row} */
function memory() {
  const weigh = (/** @type {string} */ how) =>
    Number(execFileSync(process.execPath, ['--expose-gc', SELF, how], { encoding: 'utf8' }));
  const [columns, objects] = [weigh('columns'), weigh('objects')];
  return {
    what: `${KEPT.toLocaleString('en-US')} samples kept, of 1,000 environments: heap and array buffers, a process of its own`,
    must: '≤ 12 MB',
    value: `${columns.toFixed(1)} MB`,
    peers: { 'an array of objects': `${objects.toFixed(1)} MB` },
    verdict: columns <= 12 ? 'reached' : 'falls short',
  };
}

/** Keeps the samples in one way, and says how much memory that took, MB. @param {string} how */
function weighed(how) {
  const used = () => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 1e6;
  };
  /** @type {Samples | (typeof SAMPLE)[]} */
  const samples = how === 'columns' ? new Samples() : [];
  const before = used();
  for (let at = 0; at < KEPT; at++) {
    const instance = `${at % 1000}-5f70bf18-a086-0070-16e9-48b04aed3b82`;
    const latency = 150 + (at % 977) / 10;
    samples.push({ ...SAMPLE, burst: Math.floor(at / 200), firstByteMs: latency, lastByteMs: latency + 1, instance });
  }
  const more = used() - before;
  if (samples.length !== KEPT) throw new Error('samples are missing');
  return more;
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

if (process.argv[1] === SELF) {
  const [, , how = ''] = process.argv;
  if (how === 'columns' || how === 'objects') console.log(weighed(how));
  else for (const row of await rows({ quick: how === '--quick' })) console.log(JSON.stringify(row));
}
