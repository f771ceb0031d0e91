// Finds a Python that the pinned wheels fit, makes the service's environment with it, and in that builds the engine.
import child_process from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root, say, step, UserError } from './step.mjs';

/** The Python versions that spaCy's and awslambdaric's pinned wheels exist for. */
const OLDEST = 11;
const NEWEST = 14;

const PIP_INSTALL = [
  '-m',
  'pip',
  'install',
  '--require-hashes',
  '--only-binary',
  ':all:',
  '--disable-pip-version-check',
];

const service = path.join(root, 'packages/service');
/** Where the service's environment is: elsewhere than in its folder when `npm run versions` tries another Python. */
const venv = process.env['BURST_NER_VENV'] ?? path.join(service, '.venv');
const stamp = path.join(venv, 'installed.json');

/** The engine for this machine. */
const library = path.join(service, `burst_ner/libburst_ner.${process.platform === 'darwin' ? 'dylib' : 'so'}`);

/** The interpreter of the service's environment. */
export const python = path.join(venv, 'bin/python');

/**
 * Makes the environment, or brings it up to date: the pinned packages, the default model and, for tests, the tools.
 * @param {{ dev: boolean }} options
 */
export async function setUpPython({ dev }) {
  const locks = ['requirements.lock', 'requirements-model.lock', ...(dev ? ['requirements-dev.lock'] : [])];
  const installed = works(python) ? read(stamp) : undefined;
  const base = installed && !process.env['PYTHON'] ? undefined : findPython();
  if (base && installed?.['python'] !== base.path) {
    say(`Python ${base.version} (${base.path})`);
    await step('Make the Python environment', base.path, ['-m', 'venv', '--clear', venv]);
    note({ python: base.path }); // --clear took the stamp away
  }
  for (const lock of locks) await install(lock);
}

/**
 * Puts the engine's library where the function opens it, built by a compiler that pip brings. Where there is no such
 * compiler, or it does not run, one line says so, and the function works on spaCy.
 */
export async function setUpEngine() {
  const options = { cwd: service, explain: (/** @type {string} */ output) => output.trim() };
  const sources = fs.readdirSync(path.join(service, 'engine')).filter((name) => /\.[ch]$/.test(name));
  const inputs = ['requirements-engine.lock', 'tools/engine.py', ...sources.map((name) => `engine/${name}`)];
  const state = digest(...inputs.map((name) => path.join(service, name)));
  if (read(stamp)?.['engine'] === state && fs.existsSync(library)) return;
  try {
    await install('requirements-engine.lock');
    await step('Build the engine', python, ['-m', 'tools.engine'], options);
    note({ engine: state });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    fs.rmSync(library, { force: true }); // of other sources
    say(`There is no engine, so the function runs on spaCy, which is slower: ${error.message}`);
  }
}

/**
 * An environment for tools that the function knows nothing of, made once for each state of its lock file.
 * @param {string} lock a file of pinned packages with their hashes
 * @returns {Promise<string>} the interpreter of an environment with these packages and no others
 * @throws {UserError} one sentence that says why they cannot be had
 */
export async function environmentOf(lock) {
  const folder = path.join(root, '.cache/environments', digest(lock).slice(0, 16));
  const interpreter = path.join(folder, 'bin/python');
  const complete = path.join(folder, 'complete');
  if (fs.existsSync(complete)) return interpreter;
  await step('Make a Python environment', findPython().path, ['-m', 'venv', '--clear', folder]);
  await step(`Install ${path.relative(root, lock)}`, interpreter, [...PIP_INSTALL, '-r', lock], {
    explain: explainPip,
  });
  fs.writeFileSync(complete, '');
  return interpreter;
}

/** Installs what a lock file pins, unless it is there. @param {string} lock */
async function install(lock) {
  const wanted = digest(path.join(service, lock));
  if (read(stamp)?.[lock] === wanted) return;
  const options = lock === 'requirements-model.lock' ? ['--no-deps'] : [];
  await step(`Install ${lock}`, python, [...PIP_INSTALL, ...options, '-r', path.join(service, lock)], {
    explain: explainPip,
  });
  note({ [lock]: wanted });
}

/** @param {Record<string, string>} made what is there from now on */
const note = (made) => fs.writeFileSync(stamp, JSON.stringify({ ...read(stamp), ...made }));

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

/** @param {string[]} files */
function digest(...files) {
  const hash = crypto.createHash('sha256');
  for (const file of files) hash.update(fs.readFileSync(file));
  return hash.digest('hex');
}
