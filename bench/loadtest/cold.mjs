// Whether cold, ahead and warm are told as they were: each answer against packages/emulator's own record of what its
// environment did. Real awslambdaric processes, real spaCy, the command line as a user runs it.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';

/**
 * @typedef {import('../report.mjs').Row} Row
 * @typedef {'cold' | 'ahead' | 'warm'} Start
 */

const CLI = fileURLToPath(new URL('../../packages/loadtest/dist/cli.js', import.meta.url));
/** How long an idle environment is kept, ms. */
const IDLE_MS = 3000;

/**
 * @param {{ quick?: boolean }} [options] a quarter of each
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const size = ['-n', quick ? '10' : '20', '--bursts', quick ? '2' : '4'];
  const at = (/** @type {number} */ ms) => ['--every', `${ms}ms`];
  return [
    await told(
      model,
      'restart',
      {},
      (url) => [...size, ...at(1000), '--cold', 'restart', '--emulator', url],
      ['cold'],
      true,
    ),
    await told(model, 'idle', { idleMs: IDLE_MS }, () => [...size, ...at(4 * IDLE_MS), '--cold', 'idle'], ['cold']),
    await told(model, 'none', {}, () => [...size, ...at(1000)], ['cold', 'warm']),
    // Some find what was initialised for them, the rest waits for its own.
    await told(
      model,
      'restart, 3 provisioned',
      { provisioned: 3 },
      (url) => [...size, ...at(1000), '--cold', 'restart', '--emulator', url],
      ['cold', 'ahead'],
      true,
    ),
    // No more than were initialised, and what replaces them is older than 1 s, by which the function tells ahead from cold.
    await told(model, 'none, 3 proactive', { proactive: 3 }, () => [...size, '-n', '3', ...at(3000)], ['ahead']),
  ];
}

/**
 * @param {string} model
 * @param {string} name
 * @param {Partial<import('../../packages/emulator/dist/index.js').EmulatorOptions>} options
 * @param {(functionUrl: string) => string[]} args of `burst-ner-load run`
 * @param {Start[]} expected what must be among the answers
 * @param {boolean} [renewed] whether no environment may have served an earlier burst
 * @returns {Promise<Row>}
 */
async function told(model, name, options, args, expected, renewed = false) {
  /** Environments that nobody waited for. @type {Set<string>} */
  const ahead = new Set();
  /** The environment of each request, by Lambda's id, in the order in which they began. @type {Map<string, string>} */
  const environments = new Map();
  const emulator = await startEmulator({
    ...{
      kong: path.join(root, 'kong/kong.yaml'),
      service: path.join(root, 'packages/service'),
      python,
      model,
      env: {},
    },
    ...options,
    onEvent: (event) => void (event.event === 'initialised ahead' && ahead.add(event.environment)),
    log: ({ stream, line }) => {
      const id = /^START RequestId: (\S+)/.exec(line)?.[1];
      if (id) environments.set(id, stream.slice(-32));
    },
  });
  try {
    // Proactive ones must have an age.
    await sleep(2000);
    const samples = await load(emulator, args(emulator.functionUrl.url));
    /** @type {Set<string>} */
    const used = new Set();
    /** @type {Map<string, Start>} */
    const truth = new Map();
    for (const [id, environment] of environments) {
      truth.set(id, ahead.has(environment) ? 'ahead' : used.has(environment) ? 'warm' : 'cold');
      used.add(environment);
    }
    const wrong = samples.filter(({ outcome, start, lambdaRequestId }) => {
      return outcome !== 'ok' || start !== truth.get(lambdaRequestId);
    });
    const seen = /** @type {Start[]} */ (['cold', 'ahead', 'warm']).map((start) => {
      return { start, count: samples.filter((sample) => truth.get(sample.lambdaRequestId) === start).length };
    });
    const errors = wrong.map(({ outcome, start, lambdaRequestId }) => {
      return `; ${truth.get(lambdaRequestId)} was told ${outcome === 'ok' ? start : outcome}`;
    });
    const told = seen.filter(({ count }) => count > 0);
    const starts = told.map(({ start }) => start);
    // Within a burst one environment may serve twice: the first of 20 has answered before the last has a processor.
    /** @type {Map<string, number>} */
    const bursts = new Map();
    const kept = samples.filter(({ burst, lambdaRequestId }) => {
      const environment = environments.get(lambdaRequestId) ?? '';
      const first = bursts.get(environment) ?? burst;
      bursts.set(environment, first);
      return first !== burst;
    });
    const complete = expected.every((start) => starts.includes(start)) && !(renewed && kept.length > 0);
    const counts = told.map(({ start, count }) => `${count} ${start}`);
    const right = samples.length - wrong.length;
    return {
      what: `cold, ahead and warm against the emulator's record, --cold ${name}`,
      must: `100 %, ${expected.join(' and ')} among them${renewed ? ', no environment of an earlier burst' : ''}`,
      value: `${((100 * right) / samples.length).toFixed(1)} % of ${samples.length} (${counts.join(', ')})${errors.join('')}`,
      verdict: wrong.length === 0 && complete ? 'reached' : 'falls short',
    };
  } finally {
    await emulator.close();
  }
}

/**
 * @param {import('../../packages/emulator/dist/index.js').Emulator} emulator
 * @param {string[]} args
 * @returns {Promise<{ outcome: string, start: string, burst: number, lambdaRequestId: string }[]>}
 */
async function load(emulator, args) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  const out = path.join(folder, 'run.ndjson');
  const child = child_process.spawn(
    process.execPath,
    [CLI, 'run', emulator.endpoint, ...args, '--out', out, '--json'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NER_API_KEY: emulator.keys['load-generator'] },
    },
  );
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  try {
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    if (code !== 0) throw new Error(`burst-ner-load run ended with ${code}:\n${said}`);
    const lines = fs.readFileSync(out, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'sample');
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
