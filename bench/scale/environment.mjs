// An environment with Ray, Spark and the wheel: made once for each state of the lock file; the wheel is this checkout's.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { findPython, python as servicePython } from '../../scripts/python.mjs';
import { root, step, UserError } from '../../scripts/step.mjs';

const venv = path.join(root, '.cache/scale');
const lock = path.join(root, 'bench/scale/requirements.lock');

const python = path.join(venv, 'bin/python');

/** @throws {UserError} without Java, which Spark needs, or without a package index */
export async function setUpScale() {
  if (child_process.spawnSync('java', ['-version']).status !== 0) {
    throw new UserError(
      'Spark needs Java 17 or newer, and there is no java here: install one (Debian: openjdk-17-jre-headless).',
    );
  }
  const made = path.join(venv, 'made-from');
  const digest = crypto.createHash('sha256').update(fs.readFileSync(lock)).digest('hex');
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check'];
  if (!fs.existsSync(made) || fs.readFileSync(made, 'utf8') !== digest) {
    await step('Make the environment of Ray and Spark', findPython().path, ['-m', 'venv', '--clear', venv]);
    // pyspark is a source archive; what makes a wheel of it is held to the same hashes.
    const options = ['--require-hashes', '--only-binary', ':all:', '--no-binary', 'pyspark', '-r', lock];
    await step('Install Ray and Spark', python, [...pip, ...options], {
      env: { ...process.env, PIP_CONSTRAINT: lock },
    });
    fs.writeFileSync(made, digest);
  }
  const wheels = path.join(root, '.cache/wheels');
  fs.rmSync(wheels, { recursive: true, force: true });
  const cwd = path.join(root, 'packages/service');
  await step('Build the wheels', servicePython, ['-m', 'tools.wheel', wheels], { cwd });
  const install = ['--no-index', '--find-links', wheels, '--force-reinstall', 'burst-ner'];
  await step('Install the wheel', python, [...pip, ...install]);
}

/**
 * @param {string} script of this folder
 * @param {(string | number)[]} args
 * @returns {Promise<number[]>} the numbers that it prints, a line each
 */
export function run(script, args) {
  const child = child_process.spawn(python, [path.join(root, 'bench/scale', script), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, said] = ['', ''];
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    said = (said + data).slice(-4_000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0)
        resolve(
          out
            .split('\n')
            .filter((line) => /^[\d.]+$/.test(line))
            .map(Number),
        );
      else reject(new Error(`${script} ${args[0]} failed:\n${said}`));
    });
  });
}
