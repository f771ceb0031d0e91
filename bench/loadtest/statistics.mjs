// Whether the load test's statistics keep what they promise, and what its samples weigh. Run by `npm run bench --
// loadtest`; alone, `node bench/loadtest/statistics.mjs [--quick]` prints the rows as JSON lines.
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { compare, NO_ANSWER, NO_REPORT, rankInterval, Samples } from '../../packages/loadtest/dist/index.js';

/** @typedef {import('../report.mjs').Row} Row */
/** @typedef {import('../../packages/loadtest/dist/index.js').Run} Run */

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
    memory(),
  ];
}

const LEAST = 0.94;
const MOST_VALUES = 2000;
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
 * The ranks between which the percentile bootstrap puts 95 %: the nearest-rank percentile of a resample is at most the
 * k-th value when that many draws are.
 * @param {number} n @param {number} p @returns {[number, number]}
 */
function resampled(n, p) {
  const rank = Math.ceil(p * n);
  const atMost = (/** @type {number} */ k) => (k >= n ? 1 : sum(binomial(n, k / n).subarray(rank)));
  const first = (/** @type {number} */ share) => {
    let [no, yes] = [0, n];
    while (yes - no > 1) {
      const middle = (no + yes) >> 1;
      if (atMost(middle) >= share) yes = middle;
      else no = middle;
    }
    return yes;
  };
  return [first(0.025), first(0.975)];
}

/** @type {number[]} of whole numbers */
const LOG_FACTORIALS = [0];
for (let n = 1; n <= MOST_VALUES; n++) LOG_FACTORIALS.push((LOG_FACTORIALS[n - 1] ?? 0) + Math.log(n));

/** The probability of each number of successes among n. @param {number} n @param {number} p */
function binomial(n, p) {
  const factorial = (/** @type {number} */ k) => LOG_FACTORIALS[k] ?? Number.NaN;
  return Float64Array.from({ length: n + 1 }, (_, k) =>
    Math.exp(factorial(n) - factorial(k) - factorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p)),
  );
}

const BURSTS = 20;
const N = 20;
/** Of a request's latency about its burst's, as the standard deviation of its logarithm. */
const WITHIN = 0.25;

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
      const latencies = [];
      for (let burst = 0; burst < BURSTS; burst++) {
        const at = alternate ? 2 * burst + second : burst + BURSTS * second;
        const speed = drift === 'scatter' ? Math.exp(size * normal()) : 1 + (size * at) / (2 * BURSTS - 1);
        const typical = 175 * speed * (1 + second * effect);
        for (let index = 0; index < N; index++) latencies.push(typical * Math.exp(WITHIN * normal()));
      }
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

/** @param {number[]} latencies burst after burst, ms @param {Run['info']['pair']} pair @returns {Run} */
function runOf(latencies, pair) {
  const samples = new Samples();
  const sample = { ...SAMPLE };
  for (const [at, latency] of latencies.entries()) {
    sample.burst = Math.floor(at / N);
    sample.firstByteMs = sample.lastByteMs = latency;
    samples.push(sample);
  }
  return {
    info: {
      ...{
        startedAt: '',
        target: '',
        mode: 'bursts',
        n: N,
        bursts: BURSTS,
        everyMs: null,
        rate: null,
        durationMs: null,
      },
      ...{ cold: 'none', text: { characters: 1, sha256: '' }, timeoutMs: 60_000, pair },
    },
    ...{ samples, bursts: [], end: 'complete' },
  };
}

/** A warm answer. @type {import('../../packages/loadtest/dist/index.js').Kept} */
const SAMPLE = {
  ...{ ...NO_ANSWER, ...NO_REPORT, burst: 0, intendedMs: 0, sentMs: 0, firstByteMs: 0, lastByteMs: 0, error: null },
  ...{ outcome: 'ok', status: 200, start: 'warm' },
};

/** The z of Mann and Whitney's test of values without ties. @param {number[]} a @param {number[]} b */
function mannWhitney(a, b) {
  const sorted = [...a.map((value) => ({ value, second: 0 })), ...b.map((value) => ({ value, second: 1 }))];
  sorted.sort((one, other) => one.value - other.value);
  const ranks = sorted.reduce((total, { second }, at) => total + second * (at + 1), 0);
  const u = ranks - (b.length * (b.length + 1)) / 2;
  return (u - (a.length * b.length) / 2) / Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
}

/** Welch's t, of so many values that it is normal. @param {number[]} a @param {number[]} b */
function welch(a, b) {
  const [one, other] = [a, b].map((values) => {
    const mean = sum(values) / values.length;
    const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / (values.length - 1);
    return { mean, square: variance / values.length };
  });
  if (!one || !other) throw new Error('there are two');
  return (other.mean - one.mean) / Math.sqrt(one.square + other.square);
}

/** Standard normal numbers, the same ones of the same seed. @param {string} seed @returns {() => number} */
function normals(seed) {
  const cipher = createCipheriv('aes-128-ctr', seed.padEnd(16).slice(0, 16), Buffer.alloc(16, seed));
  let words = new Uint32Array();
  let at = 0;
  const uniform = () => {
    if (at === words.length) {
      const bytes = Uint8Array.from(cipher.update(new Uint8Array(65_536)));
      [words, at] = [new Uint32Array(bytes.buffer), 0];
    }
    return ((words[at++] ?? 0) + 0.5) / 2 ** 32;
  };
  // Box and Muller's.
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

const KEPT = 100_000;

/** @returns {Row} */
function memory() {
  const weigh = (/** @type {string} */ how) =>
    Number(execFileSync(process.execPath, ['--expose-gc', SELF, how], { encoding: 'utf8' }));
  const [columns, objects] = [weigh('columns'), weigh('objects')];
  return {
    what: `${KEPT.toLocaleString('en-US')} samples kept, of 1,000 environments: heap and array buffers, a process of its own`,
    must: '≤ 10 MB',
    value: `${columns.toFixed(1)} MB`,
    peers: { 'an array of objects': `${objects.toFixed(1)} MB` },
    verdict: columns <= 10 ? 'reached' : 'falls short',
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

/** @param {ArrayLike<number>} values */
function sum(values) {
  let total = 0;
  for (let at = 0; at < values.length; at++) total += values[at] ?? 0;
  return total;
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
