// Known vulnerabilities of all that is locked, asked of the registries' own services.
import child_process from 'node:child_process';
import path from 'node:path';
import { root } from '../step.mjs';

/**
 * @typedef {object} Asked
 * @property {string} of what was asked about
 * @property {string[]} found a line for each vulnerability of high severity, or of unknown one, that has a mended version
 * @property {string} [unasked] why nothing could be asked
 */

/**
 * What pnpm-lock.yaml pins: what the packages depend on, what is bundled into them, and what builds and tests them.
 * @param {string} pnpm as package.json pins it
 * @returns {Asked}
 */
export function askNpm(pnpm) {
  const of = 'pnpm-lock.yaml';
  const { stdout, stderr } = run('npx', ['--yes', pnpm, 'audit', '--json']);
  try {
    const { advisories, error } = JSON.parse(stdout);
    if (error) return { of, found: [], unasked: error.message };
    const found = Object.values(advisories)
      .filter(({ severity, patched_versions: mended }) => /high|critical/.test(severity) && mended !== '<0.0.0')
      .map((each) => `${each.module_name}: ${each.title} (${each.severity}), mended in ${each.patched_versions}`);
    return { of, found };
  } catch {
    return { of, found: [], unasked: lastLine(stdout + stderr) };
  }
}

/**
 * What a Python lock file pins.
 * @param {string} lock
 * @param {string} python the interpreter that has pip_audit
 * @returns {Asked}
 */
export function askPip(lock, python) {
  const of = path.relative(root, lock);
  const args = [
    '-m',
    'pip_audit',
    '--require-hashes',
    '--disable-pip',
    '--progress-spinner=off',
    '-f',
    'json',
    '-r',
    lock,
  ];
  const { stdout, stderr } = run(python, args);
  try {
    /** @type {{ name: string, version: string, vulns?: { id: string, fix_versions: string[] }[], skip_reason?: string }[]} */
    const dependencies = JSON.parse(stdout).dependencies;
    // One that was not found is no error to pip-audit.
    const skipped = dependencies.filter(({ skip_reason: reason }) => reason);
    const unasked = skipped[0] && `${skipped.length} of ${dependencies.length} packages: ${skipped[0].skip_reason}`;
    // pip-audit tells no severity.
    const found = dependencies.flatMap(({ name, version, vulns = [] }) =>
      vulns
        .filter(({ fix_versions: mended }) => mended.length > 0)
        .map(({ id, fix_versions: mended }) => `${name} ${version}: ${id}, mended in ${mended.join(', ')}`),
    );
    return { of, found, ...(unasked && { unasked }) };
  } catch {
    return { of, found: [], unasked: lastLine(stderr) };
  }
}

/** @param {string} program @param {string[]} args */
const run = (program, args) =>
  child_process.spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, timeout: 120_000 });

/** @param {string} output */
const lastLine = (output) => output.trim().split('\n').at(-1) ?? 'no answer';
