// Ray and Spark run the recipes of docs/scale.md on one core and on two; beside them bare processes over the same files.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { figure, median, spread } from '../median.mjs';
import { run, setUpScale } from './environment.mjs';

/** Documents of 1 KB, in files of equal size: few for the jobs that tell what a job costs without them. */
const FILES = 8;
const FEW = 2;
const ENGINES = /** @type {const} */ (['spark', 'ray', 'bare']);

/** @typedef {{ one: number[], two: number[] }} Rates documents a second, a round each */

/** @param {{ quick: boolean }} options @returns {Promise<import('../report.mjs').Row[]>} */
export async function rows({ quick }) {
  await setUpScale();
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-scale-'));
  try {
    const many = quick ? 600 : 1_200;
    await run('documents.py', [path.join(folder, 'few'), FILES, FEW]);
    await run('documents.py', [path.join(folder, 'many'), FILES, many]);
    /** @type {Record<typeof ENGINES[number], Rates>} */
    const rates = { spark: { one: [], two: [] }, ray: { one: [], two: [] }, bare: { one: [], two: [] } };
    const documents = FILES * (many - FEW);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const engine of ENGINES) {
        for (const cores of [1, 2]) {
          const seconds = await job(engine, cores, model, folder);
          rates[engine][cores === 1 ? 'one' : 'two'].push(documents / seconds);
          console.error(`  ${engine}, cores: ${cores}, ${Math.round(documents / seconds)} documents/s`);
        }
      }
    }
    return [row('Spark (mapInPandas)', rates.spark, rates.bare), row('Ray Data (map_batches)', rates.ray, rates.bare)];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * One core against two: a job of many documents less one of few, on an engine that is up.
 * @param {typeof ENGINES[number]} engine
 * @param {number} cores
 * @param {string} model
 * @param {string} folder
 * @returns {Promise<number>} seconds; NaN where they say nothing
 */
async function job(engine, cores, model, folder) {
  const out = fs.mkdtempSync(path.join(folder, 'out-'));
  const [few, many] = [path.join(folder, 'few'), path.join(folder, 'many')];
  if (engine === 'bare') {
    // Each process has its share of the files.
    const shares = Array.from({ length: cores }, (_, share) => {
      const at = path.join(out, `in-${share}`);
      fs.mkdirSync(at);
      for (const [i, name] of fs.readdirSync(many).entries()) {
        if (i % cores === share) fs.symlinkSync(path.join(many, name), path.join(at, name));
      }
      return run('run.py', ['bare', share, model, few, path.join(out, `few-${share}`), at, path.join(out, `${share}`)]);
    });
    const all = (await Promise.all(shares)).map(([less = 0, more = 0]) => more - less);
    return Math.max(...all);
  }
  const jobs = [few, path.join(out, 'warm'), few, path.join(out, 'few'), many, path.join(out, 'many')];
  const [, less = 0, more = 0] = await run('run.py', [engine, cores === 1 ? '0' : '0,1', model, ...jobs]);
  // Where starting a job takes about as long as its work, the difference is chance.
  return less < more / 2 ? more - less : Number.NaN;
}

/**
 * @param {string} what
 * @param {Rates} rates
 * @param {Rates} bare
 * @returns {import('../report.mjs').Row}
 */
function row(what, rates, bare) {
  const speedups = rates.two.map((rate, round) => rate / (rates.one[round] ?? Number.NaN));
  const shares = rates.two.map((rate, round) => rate / (bare.two[round] ?? Number.NaN));
  const certain = [...speedups, ...shares].every(Number.isFinite);
  const most = bare.two.map((rate, round) => rate / (bare.one[round] ?? Number.NaN));
  const [low] = spread(speedups);
  const [lowShare] = spread(shares);
  const reached = low >= 1.7 || lowShare >= 0.9;
  const falls = median(speedups) < 1.7 && median(shares) < 0.9;
  return {
    what: `${what}: two cores against one`,
    must: '≥ 1.7 x, or ≥ 0.9 x of two bare processes',
    value: `${figure(speedups, 2)} x; ${figure(shares, 2)} x of two bare processes; ${figure(rates.two, 0)} documents/s`,
    peers: { 'two bare processes against one': `${figure(most, 2)} x, ${figure(bare.two, 0)} documents/s` },
    verdict: certain && reached ? 'reached' : certain && falls ? 'falls short' : 'undecided',
  };
}
