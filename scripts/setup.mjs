// Everything a command needs, made once and found again: pnpm's packages, the builds, the Python environment, the engine.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setUpEngine, setUpPython } from './python.mjs';
import { root, step, UserError } from './step.mjs';

const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const built = ['client', 'loadtest', 'emulator', 'batch'];

/**
 * Prepares the checkout. A second call finds what the first one made and takes milliseconds.
 * @param {{ dev?: boolean, python?: boolean }} [options] `dev`: also what only tests need; `python`: whether the Python
 *   environment is needed at all, which is the default
 * @throws {UserError} one sentence that says what is missing
 */
export async function setUp({ dev = false, python = true } = {}) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new UserError(`Node.js 20.19 or newer is needed; this is ${process.versions.node} (${process.execPath}).`);
  }
  if (process.platform === 'win32') throw new UserError('Windows is not supported: run this inside WSL2.');
  // Beside each other, since neither needs the other. What fails is told when both have ended, so that both are kept.
  const halves = await Promise.allSettled([setUpPackages(), python && setUpPython({ dev }).then(setUpEngine)]);
  for (const half of halves) if (half.status === 'rejected') throw half.reason;
}

async function setUpPackages() {
  await once(['node_modules'], installInputs(), () => pnpm('Install npm packages', ['install', '--frozen-lockfile']));
  await once(
    built.map((name) => `packages/${name}/dist`),
    buildInputs(),
    () => pnpm('Build the packages', ['-r', 'build']),
  );
}

/** @param {string} title @param {string[]} args */
function pnpm(title, args) {
  // CI=true lets pnpm replace a node_modules that another package manager made, without a question.
  const env = { ...process.env, CI: 'true' };
  return step(title, 'npx', ['--yes', manifest.packageManager, ...args], { env, explain: explainNpm });
}

/**
 * Runs `make` unless it ran for the same inputs before and all that it made is still there.
 * @param {string[]} outputs folders, relative to the root; the first one keeps the digest of the inputs
 * @param {string[]} inputs files, relative to the root
 * @param {() => Promise<void>} make
 */
async function once(outputs, inputs, make) {
  const stamp = path.join(root, String(outputs[0]), '.made-from');
  const hash = crypto.createHash('sha256');
  for (const input of inputs) hash.update(`${input}\0`).update(fs.readFileSync(path.join(root, input)));
  const digest = hash.digest('hex');
  const there = outputs.every((folder) => fs.existsSync(path.join(root, folder)));
  if (there && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === digest) return;
  // What `make` does half must not pass for made.
  fs.rmSync(stamp, { force: true });
  await make();
  fs.writeFileSync(stamp, digest);
}

const installInputs = () => [
  'package.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  ...built.map((name) => `packages/${name}/package.json`),
];

const buildInputs = () => [
  'pnpm-lock.yaml',
  'tsconfig.base.json',
  ...files('kong', '.mjs'),
  ...built.flatMap((name) => [
    `packages/${name}/package.json`,
    `packages/${name}/tsup.config.ts`,
    ...files(`packages/${name}/src`, '.ts'),
  ]),
  ...files('packages/emulator/conformance', '.ts'),
];

/** @param {string} folder @param {string} ending @returns {string[]} relative to the root, sorted */
const files = (folder, ending) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    // What a build makes is none of its inputs.
    .filter((name) => name.endsWith(ending) && !name.startsWith('dist'))
    .sort()
    .map((name) => path.join(folder, name));

/** @param {string} output */
function explainNpm(output) {
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|ERR_SOCKET_TIMEOUT|META_FETCH_FAIL/.test(output)
  ) {
    return 'The npm registry could not be reached: check the network or proxy (npm reads HTTPS_PROXY and .npmrc), then run the command again; what is already there is kept.';
  }
  return undefined;
}
