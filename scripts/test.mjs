// `npm test`: static checks, then every test, then one line that counts them. `npm run check`: the static checks alone.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { DEFAULT_MODEL, describeModel, prepareModel } from './model.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root } from './step.mjs';

const reports = path.join(root, '.cache/reports');
const bin = path.join(root, 'node_modules/.bin');

await command(async () => {
  const checksAlone = process.argv[2] === '--checks';
  await setUp({ dev: true });
  const counts = [
    await check('Types (tsc)', path.join(bin, 'tsc'), ['--noEmit']),
    await check('Lint and format (biome)', path.join(bin, 'biome'), ['check', '.']),
    await check('Dead code (knip)', path.join(bin, 'knip'), []),
    await check('Lint (ruff)', python, ['-m', 'ruff', 'check', '.']),
    await check('Format (ruff)', python, ['-m', 'ruff', 'format', '--check', '.']),
    await check('Dead code (vulture)', python, ['-m', 'vulture', '--config', 'vulture.toml']),
    ...(checksAlone ? [] : await tests()),
  ];
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    counts.reduce((total, count) => total + count[key], 0);
  const skipped = sum('skipped');
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped ? `, ${skipped} skipped` : ''}`);
  return sum('failed') ? 1 : 0;
});

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */

/** @returns {Promise<Count[]>} */
async function tests() {
  // Once, before the tests that serve it, side by side.
  await prepareModel(describeModel(DEFAULT_MODEL));
  fs.rmSync(reports, { recursive: true, force: true });
  fs.mkdirSync(reports, { recursive: true });
  return [
    ...(await functionAndInfra()),
    await vitest('Client, load test, emulator, Kong, the whole path (vitest)', 'others', ['--exclude', 'infra/**']),
  ];
}

/**
 * Beside each other, since neither asks how fast the machine is; the others then have it for themselves.
 * @returns {Promise<Count[]>}
 */
async function functionAndInfra() {
  const log = path.join(reports, 'infra.log');
  const output = fs.openSync(log, 'w');
  const counting = Promise.all([pytest(), vitest('', 'infra', ['infra/tests/'], output)]);
  const counts = await counting.finally(() => fs.closeSync(output));
  console.log('\nTerraform (vitest)');
  process.stdout.write(fs.readFileSync(log));
  return counts;
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, output?: 'inherit' | number }} [options] `output` is a file's descriptor
 * @returns {Promise<boolean>} whether it succeeded
 */
function run(program, args, { cwd = root, output = 'inherit' } = {}) {
  const child = child_process.spawn(program, args, { cwd, stdio: ['inherit', output, output] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0));
  });
}

/** @param {string} title @param {string} program @param {string[]} args @returns {Promise<Count>} */
async function check(title, program, args) {
  console.log(`\n${title}`);
  const passed = await run(program, args);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** @returns {Promise<Count>} */
async function pytest() {
  console.log('\nThe function (pytest), and beside it Terraform');
  const file = path.join(reports, 'pytest.xml');
  const args = ['-m', 'pytest', '-q', `--junitxml=${file}`];
  const ok = await run(python, args, { cwd: path.join(root, 'packages/service') });
  const suite = fs.existsSync(file) ? (/<testsuite [^>]*>/.exec(fs.readFileSync(file, 'utf8'))?.[0] ?? '') : '';
  const of = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  return total(ok, { failed: of('failures') + of('errors'), skipped: of('skipped'), all: of('tests') });
}

/**
 * @param {string} title
 * @param {string} name of its report
 * @param {string[]} which files
 * @param {'inherit' | number} [output]
 * @returns {Promise<Count>}
 */
async function vitest(title, name, which, output = 'inherit') {
  if (title) console.log(`\n${title}`);
  const file = path.join(reports, `${name}.json`);
  const args = ['run', ...which, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const ok = await run(path.join(bin, 'vitest'), args, { output });
  const report = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {};
  const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
  return total(ok, { failed: report.numFailedTests ?? 0, skipped, all: report.numTotalTests ?? 0 });
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
