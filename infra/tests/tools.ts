// What the tests of infra/ need beside Terraform: installed in .cache/ when first needed, and found again.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPython } from '../../scripts/python.mjs';
import { root, step } from '../../scripts/step.mjs';

/** Later ones take twice as long to build. */
const TFLINT = '0.54.0';

/**
 * @param lock a file beside this one, of pinned packages with their hashes
 * @returns the interpreter of an environment with these packages and no others
 * @throws UserError one sentence that says why they cannot be had
 */
export async function pythonWith(lock: string): Promise<string> {
  const file = join(import.meta.dirname, lock);
  const digest = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  const folder = join(root, '.cache', `infra-${digest}`);
  const python = join(folder, 'bin/python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  await step('Make a Python environment', findPython().path, ['-m', 'venv', '--clear', folder]);
  const flags = ['--require-hashes', '--only-binary', ':all:', '--disable-pip-version-check'];
  await step(`Install infra/tests/${lock}`, python, ['-m', 'pip', 'install', ...flags, '-r', file]);
  writeFileSync(complete, '');
  return python;
}

/**
 * @returns the command: the one on PATH, or one that Go builds
 * @throws UserError one sentence that says why there is none
 */
export async function tflint(): Promise<string> {
  if (spawnSync('tflint', ['--version']).status === 0) return 'tflint';
  const bin = join(root, '.cache/bin', `tflint-${TFLINT}`);
  const command = join(bin, 'tflint');
  if (existsSync(command)) return command;
  mkdirSync(bin, { recursive: true });
  await step('Build tflint', 'go', ['install', `github.com/terraform-linters/tflint@v${TFLINT}`], {
    env: { ...process.env, GOBIN: bin },
    explain: (output) =>
      /ENOENT/.test(output)
        ? 'tflint is not on PATH, and Go is not either to build it; install the package tflint'
        : undefined,
  });
  return command;
}

/**
 * Whether a part of the tests can run here. A developer's machine may lack what it needs: then one line says so and
 * that part is skipped. CI may not.
 * @param part what would be skipped
 * @param prepare gets what the part needs; its error is the line
 * @returns what `prepare` got, or undefined: skip
 */
export async function available<T>(part: string, prepare: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await prepare();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`infra: ${part} is skipped: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}
