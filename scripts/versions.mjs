// `npm run versions`: the tests on each version of Node and Python that is supported, as far as this machine can have it.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { pytest, sum, vitest } from './runners.mjs';
import { setUp } from './setup.mjs';
import { command, root, step, UserError } from './step.mjs';

/** The oldest that package.json allows, then the newest of each line; npm's package `node` brings them. */
const NODES = ['20.19.0', '22', '24'];
const PYTHONS = ['3.11', '3.12', '3.13', '3.14'];
const PATH = 'test/path.test.ts';
/** What runs at a user's: the packages from their builds, installed ones, and the whole path. */
const TESTS = ['packages/', 'test/package.test.ts', PATH];
const INTERPRETER = 'import sys; print(sys.executable, "%d.%d.%d" % sys.version_info[:3])';
const USAGE = `Usage: npm run versions [-- VERSION ...]
  VERSION  of ${NODES.map((each) => `node@${each}`).join(', ')}, ${PYTHONS.map((each) => `python@${each}`).join(', ')} (default: all)`;

/** @typedef {{ version: string, passed?: number, failed?: number, skipped?: number, seconds?: number, why?: string }} Row */

await command(async () => {
  const all = [...NODES.map((each) => `node@${each}`), ...PYTHONS.map((each) => `python@${each}`)];
  const asked = process.argv.slice(2);
  if (asked.some((each) => !all.includes(each))) throw new UserError(USAGE);
  await setUp({ dev: true });
  /** @type {Row[]} */
  const rows = [];
  for (const each of asked.length > 0 ? asked : all) {
    const [kind = '', version = ''] = each.split('@');
    rows.push(await (kind === 'node' ? onNode(version) : onPython(version)));
  }
  console.log(table(rows));
  return rows.some(({ failed }) => failed) ? 1 : 0;
});

/** @param {string} wanted @returns {Promise<Row>} */
async function onNode(wanted) {
  const found = ask('npx', [
    '--yes',
    '-p',
    `node@${wanted}`,
    'node',
    '-p',
    'process.execPath + " " + process.versions.node',
  ]);
  const [node = '', version = ''] = found.output.split(' ');
  if (!found.ok || !version.startsWith(wanted)) return { version: `Node ${wanted}`, why: 'npm does not bring it here' };
  // Programs of tests start `node`, too.
  const env = { ...process.env, PATH: `${path.dirname(node)}:${process.env['PATH']}` };
  const start = Date.now();
  const count = await vitest(TESTS, { name: `node-${wanted}`, node, env });
  return { version: `Node ${version}`, ...count, seconds: since(start) };
}

/** @param {string} wanted @returns {Promise<Row>} */
async function onPython(wanted) {
  // pyenv's commands run nothing unless they are told a version.
  const found = ask('env', [`PYENV_VERSION=${wanted}`, `python${wanted}`, '-c', INTERPRETER]);
  const [python = '', version = ''] = found.output.split(' ');
  if (!found.ok) return { version: `Python ${wanted}`, why: `there is no python${wanted} here` };
  const venv = path.join(root, '.cache/versions', `python${wanted}`);
  const env = { ...process.env, PYTHON: python, BURST_NER_VENV: venv };
  const code = "import('./scripts/setup.mjs').then((it) => it.setUp({ dev: true }))";
  await step(`Set up Python ${version}`, process.execPath, ['-e', code], { env });
  const start = Date.now();
  const counts = [
    await pytest({ name: `python-${wanted}`, interpreter: path.join(venv, 'bin/python'), env }),
    await vitest([PATH], { name: `path-${wanted}`, env }),
  ];
  return { version: `Python ${version}`, ...sum(counts), seconds: since(start) };
}

/** @param {string} program @param {string[]} args */
function ask(program, args) {
  const { status, stdout } = child_process.spawnSync(program, args, { encoding: 'utf8' });
  return { ok: status === 0, output: stdout?.trim() ?? '' };
}

/** @param {number} start */
function since(start) {
  return Math.round((Date.now() - start) / 1000);
}

/** @param {Row[]} rows */
function table(rows) {
  const cells = rows.map(({ version, passed, failed, skipped, seconds, why }) =>
    why ? [version, `not run: ${why}`, '', '', ''] : [version, passed, failed, skipped, seconds].map(String),
  );
  const lines = [['version', 'passed', 'failed', 'skipped', 'seconds'], Array(5).fill('---'), ...cells];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
