// Finds a Python that the pinned wheels fit, and makes the service's environment with it.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root, step, UserError } from './step.mjs';

/** The Python versions that spaCy's and awslambdaric's pinned wheels exist for. */
const OLDEST = 11;
const NEWEST = 14;

const service = path.join(root, 'packages/service');
const venv = path.join(service, '.venv');
const stamp = path.join(venv, 'installed.json');

/** The interpreter of the service's environment. */
export const python = path.join(venv, 'bin/python');

/**
 * Makes the environment, or brings it up to date: the pinned packages, the default model and, for tests, the tools.
 * @param {{ dev: boolean }} options
 */
export async function setUpPython({ dev }) {
  const locks = ['requirements.lock', 'requirements-model.lock', ...(dev ? ['requirements-dev.lock'] : [])];
  const wanted = Object.fromEntries(locks.map((lock) => [lock, digest(path.join(service, lock))]));
  let installed = works(python) ? read(stamp) : undefined;
  const base = installed && !process.env['PYTHON'] ? undefined : findPython();
  if (base && installed?.['python'] !== base.path) {
    console.error(`  Python ${base.version} (${base.path})`);
    await step('Make the Python environment', base.path, ['-m', 'venv', '--clear', venv]);
    installed = { python: base.path };
  }
  for (const lock of locks) {
    if (installed?.[lock] === wanted[lock]) continue;
    const args = ['-m', 'pip', 'install', '--require-hashes', '--only-binary', ':all:', '--disable-pip-version-check'];
    if (lock === 'requirements-model.lock') args.push('--no-deps');
    await step(`Install ${lock}`, python, [...args, '-r', path.join(service, lock)], { explain: explainPip });
    installed = { ...installed, [lock]: String(wanted[lock]) };
    fs.writeFileSync(stamp, JSON.stringify(installed));
  }
}

/**
 * The first of PYTHON, python3.14 … python3.11, python3 that is new enough, not too new, and can make environments.
 * @returns {{ path: string, version: string }}
 */
export function findPython() {
  const names = [];
  if (process.env['PYTHON']) names.push(process.env['PYTHON']);
  for (let minor = NEWEST; minor >= OLDEST; minor--) names.push(`python3.${minor}`);
  names.push('python3');
  const tried = [];
  for (const name of names) {
    const found = probe(name);
    if (typeof found !== 'string') return found;
    tried.push(`${name}: ${found}`);
  }
  throw new UserError(
    `Python 3.${OLDEST} to 3.${NEWEST} with the venv module is needed and none was found; install one, or set PYTHON to its path. Tried ${tried.join('; ')}.`,
  );
}

// Any Python since 2.6 can run it.
const PROBE = `import sys
try:
    import venv, ensurepip
    able = True
except ImportError:
    able = False
sys.stdout.write("%d %d %d %s %s" % (sys.version_info[:3] + (able, sys.executable)))`;

/**
 * @param {string} name a command or a path
 * @returns {{ path: string, version: string } | string} why it does not fit, if it does not
 */
function probe(name) {
  const { status, stdout, error } = child_process.spawnSync(name, ['-c', PROBE], { encoding: 'utf8' });
  const found = status === 0 && /^(\d+) (\d+) (\d+) (True|False) (.+)$/m.exec(stdout);
  if (!found) return error ? 'not found' : `does not run (exit code ${status})`;
  const [, major, minor = '', patch, able, executable = ''] = found;
  const version = `${major}.${minor}.${patch}`;
  if (major !== '3' || Number(minor) < OLDEST) return `${version} is too old`;
  if (Number(minor) > NEWEST) return `${version} is newer than the pinned wheels`;
  if (able === 'False') return `${version} has no venv module (Debian and Ubuntu: apt install python3.${minor}-venv)`;
  return { path: executable, version };
}

/** @param {string} output */
function explainPip(output) {
  if (
    /NewConnectionError|NameResolutionError|Temporary failure|ProxyError|ConnectTimeout|Max retries|SSLError/.test(
      output,
    )
  ) {
    return 'The Python package index could not be reached: check the network or proxy (pip reads PIP_INDEX_URL and HTTPS_PROXY), then run the command again; what is already installed is kept.';
  }
  if (/No matching distribution found for (\S+)/.test(output)) {
    return `There is no ready-made wheel of ${RegExp.$1} for this system (${process.platform} ${process.arch}); glibc Linux and macOS, x86_64 and arm64, have them.`;
  }
  if (/THESE PACKAGES DO NOT MATCH THE HASHES/.test(output)) {
    return 'A downloaded package does not have the pinned hash, so nothing of it was installed: check which package index pip is set to; .cache/setup.log names the package.';
  }
  return undefined;
}

/** @param {string} interpreter */
const works = (interpreter) => child_process.spawnSync(interpreter, ['-c', '']).status === 0;

/** @param {string} file @returns {Record<string, string> | undefined} */
function read(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {string} file */
const digest = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
