// The two runners of tests, what each prints kept beside its report, and how many tests passed.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { python } from './python.mjs';
import { root } from './step.mjs';

/** Where reports and logs are. */
export const reports = path.join(root, '.cache/reports');

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */
/** @typedef {{ name: string, env?: NodeJS.ProcessEnv, silent?: boolean }} Options `name` of report and log; `silent`: only into the log */

/**
 * The function's tests.
 * @param {Options & { interpreter?: string }} options
 * @returns {Promise<Count>}
 */
export async function pytest({ interpreter = python, ...options }) {
  const file = path.join(reports, `${options.name}.xml`);
  const args = ['-m', 'pytest', '-q', `--junitxml=${file}`];
  const ok = await run(interpreter, args, { ...options, cwd: path.join(root, 'packages/service') });
  const suite = fs.existsSync(file) ? (/<testsuite [^>]*>/.exec(fs.readFileSync(file, 'utf8'))?.[0] ?? '') : '';
  const of = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  return total(ok, { failed: of('failures') + of('errors'), skipped: of('skipped'), all: of('tests') });
}

/**
 * All other tests.
 * @param {string[]} which files
 * @param {Options & { node?: string }} options
 * @returns {Promise<Count>}
 */
export async function vitest(which, { node = process.execPath, ...options }) {
  const file = path.join(reports, `${options.name}.json`);
  const command = path.join(root, 'node_modules/vitest/vitest.mjs');
  const args = ['run', ...which, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const ok = await run(node, [command, ...args], options);
  const report = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
  const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
  return total(ok, { failed: report.numFailedTests ?? 0, skipped, all: report.numTotalTests ?? 0 });
}

/**
 * Runs a program; what it prints goes on to this one's output, and into a log.
 * @param {string} program
 * @param {string[]} args
 * @param {Options & { cwd?: string }} options
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function run(program, args, { name, env = process.env, silent = false, cwd = root }) {
  fs.mkdirSync(reports, { recursive: true });
  const log = fs.openSync(path.join(reports, `${name}.log`), 'w');
  const child = child_process.spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of /** @type {const} */ (['stdout', 'stderr'])) {
    child[stream].on('data', (/** @type {Buffer} */ data) => {
      fs.writeSync(log, data);
      if (!silent) process[stream].write(data);
    });
  }
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code === 0));
    });
  } finally {
    fs.closeSync(log);
  }
}

/** @param {Count[]} counts @returns {Count} */
export function sum(counts) {
  const of = (/** @type {keyof Count} */ key) => counts.reduce((all, count) => all + count[key], 0);
  return { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
}

/**
 * A runner that failed without a failed test (a file that does not load, a crash) counts as one failure.
 * @param {boolean} ok
 * @param {{ failed: number, skipped: number, all: number }} count
 * @returns {Count}
 */
function total(ok, { failed, skipped, all }) {
  return { passed: all - failed - skipped, failed: ok ? failed : Math.max(failed, 1), skipped };
}
