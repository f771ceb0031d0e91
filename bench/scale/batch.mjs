// The batch worker beside the engine alone, and whole batches on an emulated Step Functions: killed, and as planned.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { findPython, python as servicePython } from '../../scripts/python.mjs';
import { root, step } from '../../scripts/step.mjs';
import { figure, verdict } from '../median.mjs';

const DOCUMENTS = 1500;
const AT_LEAST = 0.9;
const MORE_MB = 40;

/**
 * What batch.py prints.
 * @typedef {object} Measured
 * @property {number[]} ratios of the engine's seconds to the worker's, a round each
 * @property {number[]} documents_a_second of the worker
 * @property {number[]} characters_a_second
 * @property {Record<string, number>} more_mb than the engine alone, by size of the part
 * @property {{ parts: number, ended_early: number, lost: number, twice: number }} killed
 * @property {{ documents: number, parts: number, seconds: [number, number], usd: [number, number] }} plan planned, run
 */

/** @param {{ quick: boolean }} options @returns {Promise<import('../report.mjs').Row[]>} */
export async function rows({ quick }) {
  const python = await setUp();
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-batch-'));
  try {
    const documents = path.join(folder, 'documents.jsonl');
    const env = { ...process.env, PYTHONPATH: path.join(root, 'packages/service') };
    const make = [path.join(import.meta.dirname, 'lines.py'), documents, String(DOCUMENTS)];
    child_process.execFileSync(servicePython, make, { env });
    const args = [path.join(import.meta.dirname, 'batch.py'), documents, model, quick ? '1' : '0'];
    const options = { env, stdio: /** @type {['ignore', 'pipe', 'ignore']} */ (['ignore', 'pipe', 'ignore']) };
    return rowsOf(JSON.parse(String(child_process.execFileSync(python, args, options))));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** @param {Measured} measured @returns {import('../report.mjs').Row[]} */
function rowsOf({ ratios, documents_a_second, characters_a_second, more_mb, killed, plan }) {
  const holds = (/** @type {boolean} */ held) => (held ? 'reached' : 'falls short');
  const off = (/** @type {[number, number]} */ [planned, was]) => planned / was - 1;
  const percent = (/** @type {number} */ share) => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
  return [
    {
      what: 'batch worker, documents of 1 KB, one core, against the engine alone',
      must: `≥ ${AT_LEAST} x`,
      value: `${figure(ratios, 3)} x: ${figure(documents_a_second, 0)} documents/s, ${figure(characters_a_second, 0)} characters/s`,
      verdict: verdict(ratios, (ratio) => ratio >= AT_LEAST),
    },
    {
      what: 'memory of the batch worker beyond the engine alone',
      must: `≤ ${MORE_MB} MB`,
      value: Object.entries(more_mb)
        .map(([size, mb]) => `${mb.toFixed(0)} MB for a part of ${size}`)
        .join(', '),
      verdict: holds(Object.values(more_mb).every((mb) => mb <= MORE_MB)),
    },
    {
      what: `a batch of ${killed.parts} parts, 5 % of attempts killed, 1 % unanswered, 1 % of S3's answers 503`,
      must: '0 lost, 0 twice',
      value: `${killed.lost} lost, ${killed.twice} twice; ${killed.ended_early} attempts ended early`,
      verdict: holds(killed.lost === 0 && killed.twice === 0 && killed.ended_early > 0),
    },
    {
      what: `plan by a trial against the run of ${plan.documents} documents in ${plan.parts} parts, two at once: time`,
      must: 'within 15 %',
      value: `${plan.seconds[0].toFixed(1)} s planned, ${plan.seconds[1].toFixed(1)} s: ${percent(off(plan.seconds))}`,
      verdict: holds(Math.abs(off(plan.seconds)) <= 0.15),
    },
    {
      what: 'the same: dollars',
      must: 'within 10 %',
      value: `${plan.usd[0].toFixed(5)} planned, ${plan.usd[1].toFixed(5)}: ${percent(off(plan.usd))}`,
      verdict: holds(Math.abs(off(plan.usd)) <= 0.1),
    },
  ];
}

/** The environment of infra/tests/tools.ts, with moto. */
async function setUp() {
  const lock = path.join(root, 'infra/tests/requirements.lock');
  const digest = crypto.createHash('sha256').update(fs.readFileSync(lock)).digest('hex').slice(0, 16);
  const folder = path.join(root, '.cache', `infra-${digest}`);
  const python = path.join(folder, 'bin/python');
  if (fs.existsSync(path.join(folder, 'complete'))) return python;
  await step('Make a Python environment', findPython().path, ['-m', 'venv', '--clear', folder]);
  const flags = ['--require-hashes', '--only-binary', ':all:', '--disable-pip-version-check'];
  await step('Install infra/tests/requirements.lock', python, ['-m', 'pip', 'install', ...flags, '-r', lock]);
  fs.writeFileSync(path.join(folder, 'complete'), '');
  return python;
}
