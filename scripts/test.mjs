// `npm test`: static checks, then every test, then one line that counts them. `npm run check`: the static checks alone.
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { leaks } from './canaries.mjs';
import { DEFAULT_MODEL, describeModel, prepareModel } from './model.mjs';
import { python } from './python.mjs';
import { pytest, reports, run, sum, vitest } from './runners.mjs';
import { setUp } from './setup.mjs';
import { command, root } from './step.mjs';

const bin = path.join(root, 'node_modules/.bin');

await command(async () => {
  const checksAlone = process.argv[2] === '--checks';
  await setUp({ dev: true });
  fs.rmSync(reports, { recursive: true, force: true });
  const counts = await Promise.all([
    check('Types (tsc)', path.join(bin, 'tsc'), ['--noEmit']),
    check('Lint and format (biome)', path.join(bin, 'biome'), ['check', '.']),
    check('Dead code (knip)', path.join(bin, 'knip'), []),
    check('Lint (ruff)', python, ['-m', 'ruff', 'check', '.']),
    check('Format (ruff)', python, ['-m', 'ruff', 'format', '--check', '.']),
    check('Dead code (vulture)', python, ['-m', 'vulture', '--config', 'vulture.toml']),
  ]);
  if (!checksAlone) counts.push(...(await tests()));
  const { passed, failed, skipped } = sum(counts);
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
  return failed ? 1 : 0;
});

/** @typedef {import('./runners.mjs').Count} Count */

/**
 * Beside each other: much of the time of both is waiting.
 * @returns {Promise<Count[]>}
 */
async function tests() {
  // Once, before the tests that serve it, side by side.
  await prepareModel(describeModel(DEFAULT_MODEL));
  console.log('\nClient, load test, emulator, Kong, Terraform, the whole path (vitest), and beside them the function');
  const counts = await Promise.all([pytest({ name: 'pytest', silent: true }), vitest([], { name: 'vitest' })]);
  tell('The function (pytest)', 'pytest');
  return [...counts, untold()];
}

/**
 * What it says is printed when it has ended, since others run beside it.
 * @param {string} title @param {string} program @param {string[]} args @returns {Promise<Count>}
 */
async function check(title, program, args) {
  const passed = await run(program, args, { name: title, silent: true });
  tell(title, title);
  return counted(passed);
}

/** Prints what a runner has said. @param {string} title @param {string} name of its log */
function tell(title, name) {
  console.log(`\n${title}`);
  process.stdout.write(fs.readFileSync(path.join(reports, `${name}.log`)));
}

/** What has been printed, logged and reported, here and by the programs under test, has no key and no text of a test. */
function untold() {
  const found = leaks(reports);
  console.log(`\nKeys and texts of the tests in what they put out: ${found.length === 0 ? 'none' : found.join(', ')}`);
  return counted(found.length === 0);
}

/** @param {boolean} passed @returns {Count} */
function counted(passed) {
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}
