// Simulated runs, the same ones each time, and the statistics that other tools would do of them.
import { createCipheriv } from 'node:crypto';
import { NO_ANSWER, NO_REPORT, Samples } from '../../packages/loadtest/dist/index.js';

/** @typedef {import('../../packages/loadtest/dist/index.js').Run} Run */

export const BURSTS = 20;
export const N = 20;
/** Of a request's latency about its burst's, as the standard deviation of its logarithm. */
export const WITHIN = 0.25;

/**
 * Burst after burst, ms.
 * @param {() => number} normal @param {(burst: number) => number} typical of a burst, ms
 */
export function latenciesOf(normal, typical) {
  const latencies = [];
  for (let burst = 0; burst < BURSTS; burst++) {
    const ms = typical(burst);
    for (let index = 0; index < N; index++) latencies.push(ms * Math.exp(WITHIN * normal()));
  }
  return latencies;
}

/** @param {number[]} latencies burst after burst, ms @param {Run['info']['pair']} pair @returns {Run} */
export function runOf(latencies, pair) {
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
        stages: null,
        durationMs: null,
      },
      ...{ cold: 'none', text: { characters: 1, sha256: '', requests: 1, documents: 1 } },
      ...{ timeoutMs: 60_000, pair, labels: {}, version: null },
    },
    ...{ samples, bursts: [], end: 'complete' },
  };
}

/** A warm answer. @type {import('../../packages/loadtest/dist/index.js').Kept} */
export const SAMPLE = {
  ...{
    ...NO_ANSWER,
    ...NO_REPORT,
    burst: 0,
    documents: 1,
    characters: 1,
    bytes: 1,
    intendedMs: 0,
    sentMs: 0,
    firstByteMs: 0,
    lastByteMs: 0,
    error: null,
  },
  ...{ outcome: 'ok', status: 200, start: 'warm' },
};

/** The z of Mann and Whitney's test of values without ties. @param {number[]} a @param {number[]} b */
export function mannWhitney(a, b) {
  const sorted = [...a.map((value) => ({ value, second: 0 })), ...b.map((value) => ({ value, second: 1 }))];
  sorted.sort((one, other) => one.value - other.value);
  const ranks = sorted.reduce((total, { second }, at) => total + second * (at + 1), 0);
  const u = ranks - (b.length * (b.length + 1)) / 2;
  return (u - (a.length * b.length) / 2) / Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
}

/** Welch's t, of so many values that it is normal. @param {number[]} a @param {number[]} b */
export function welch(a, b) {
  const [one, other] = [a, b].map((values) => {
    const mean = sum(values) / values.length;
    const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / (values.length - 1);
    return { mean, square: variance / values.length };
  });
  if (!one || !other) throw new Error('there are two');
  return (other.mean - one.mean) / Math.sqrt(one.square + other.square);
}

/** Standard normal numbers, the same ones of the same seed. @param {string} seed @returns {() => number} */
export function normals(seed) {
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

/** @param {ArrayLike<number>} values */
export function sum(values) {
  let total = 0;
  for (let at = 0; at < values.length; at++) total += values[at] ?? 0;
  return total;
}

/** Values of which a percentile is taken, at most. */
export const MOST_VALUES = 2000;

/**
 * The ranks between which the percentile bootstrap puts 95 %: the nearest-rank percentile of a resample is at most the
 * k-th value when that many draws are.
 * @param {number} n @param {number} p @returns {[number, number]}
 */
export function resampled(n, p) {
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
export function binomial(n, p) {
  const factorial = (/** @type {number} */ k) => LOG_FACTORIALS[k] ?? Number.NaN;
  return Float64Array.from({ length: n + 1 }, (_, k) =>
    Math.exp(factorial(n) - factorial(k) - factorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p)),
  );
}
