// `npm test`: static checks, then every test, then one line that counts them.
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root } from './step.mjs';

const reports = path.join(root, '.cache/reports');
const bin = path.join(root, 'node_modules/.bin');

await command(async () => {
  await setUp({ dev: true });
  fs.rmSync(reports, { recursive: true, force: true });
  fs.mkdirSync(reports, { recursive: true });
  const counts = [
    check('Types (tsc)', path.join(bin, 'tsc'), ['--noEmit']),
    check('Lint and format (biome)', path.join(bin, 'biome'), ['check', '.']),
    check('Lint (ruff)', python, ['-m', 'ruff', 'check', '.']),
    check('Format (ruff)', python, ['-m', 'ruff', 'format', '--check', '.']),
    pytest(),
    vitest(),
  ];
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    counts.reduce((total, count) => total + count[key], 0);
  const skipped = sum('skipped');
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped ? `, ${skipped} skipped` : ''}`);
  return sum('failed') ? 1 : 0;
});

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */

/** @param {string} program @param {string[]} args */
function run(program, args, cwd = root) {
  return child_process.spawnSync(program, args, { cwd, stdio: 'inherit' }).status === 0;
}

/** @param {string} title @param {string} program @param {string[]} args @returns {Count} */
function check(title, program, args) {
  console.log(`\n${title}`);
  const passed = run(program, args);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** @returns {Count} */
function pytest() {
  console.log('\nThe function (pytest)');
  const file = path.join(reports, 'pytest.xml');
  const ok = run(python, ['-m', 'pytest', '-q', `--junitxml=${file}`], path.join(root, 'packages/service'));
  const suite = fs.existsSync(file) ? (/<testsuite [^>]*>/.exec(fs.readFileSync(file, 'utf8'))?.[0] ?? '') : '';
  const of = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  return total(ok, { failed: of('failures') + of('errors'), skipped: of('skipped'), all: of('tests') });
}

/** @returns {Count} */
function vitest() {
  console.log('\nClient, load test, emulator, the whole path (vitest)');
  const file = path.join(reports, 'vitest.json');
  const ok = run(path.join(bin, 'vitest'), [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
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
