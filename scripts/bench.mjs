// `npm run bench -- PART [--json] [--quick] [--write]`: what the parts cost, measured beside their peers.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { json, markdown, write } from '../bench/report.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

/** Each module's `rows` measures some lines of the part's table. @type {Record<string, string[]>} */
const MODULES = {
  client: ['rate', 'fleet', 'outage', 'throughput', 'abort', 'chunk', 'unicode', 'cli'],
  emulator: ['gateway', 'lambda'],
  scale: ['wheel', 'clusters', 'batch'],
  loadtest: ['accuracy', 'loop', 'cold', 'plan', 'questions', 'report', 'statistics'],
};
const USAGE = `Usage: npm run bench -- service [PART ...]|${Object.keys(MODULES).join('|')} [--json] [--quick] [--write]`;

await command(async () => {
  const [part = '', ...flags] = process.argv.slice(2);
  const known = (/** @type {string} */ flag) => ['--json', '--quick', '--write'].includes(flag);
  // The service's parts are known to its own bench.
  if (part !== 'service' && !(MODULES[part] && flags.every(known))) throw new UserError(USAGE);
  await setUp({ dev: true });
  return part === 'service' ? service(flags) : modules(part, flags);
});

/**
 * @param {string} part
 * @param {string[]} flags
 * @returns {Promise<number>} 0 when every figure reaches what it must
 */
async function modules(part, flags) {
  const all = [];
  for (const name of MODULES[part] ?? []) {
    console.error(`  Measure ${part}: ${name} …`);
    const { rows } = await import(`../bench/${part}/${name}.mjs`);
    all.push(...(await rows({ quick: flags.includes('--quick') })));
  }
  console.log(flags.includes('--json') ? json(part, all) : markdown(part, all));
  if (flags.includes('--write')) write(part, all);
  return all.every(({ must, verdict }) => must === '' || verdict === 'reached') ? 0 : 1;
}

/**
 * @param {string[]} args parts and flags, which bench.py knows
 * @returns {Promise<number>}
 */
async function service(args) {
  // The benchmark uses the function's tools.
  const env = { ...process.env, PYTHONPATH: path.join(root, 'packages/service') };
  // The benchmark ends by itself on Ctrl-C, which reaches all processes.
  process.on('SIGINT', () => {});
  const measured = await run([path.join(root, 'bench/service/bench.py'), ...args], { env, stdio: 'inherit' });
  if (args.some((arg) => arg !== '--json' && arg !== '--write')) return measured;
  // What `npm test` runs a tenth of. Standard output is the table's.
  const properties = await run(['-m', 'pytest', '-q', 'tests/test_properties.py'], {
    cwd: path.join(root, 'packages/service'),
    env: { ...env, BURST_NER_FULL: '1' },
    stdio: ['ignore', 2, 2],
  });
  return measured || properties;
}

/**
 * @param {string[]} args of the service's Python
 * @param {child_process.SpawnOptions} options
 * @returns {Promise<number>} the exit code
 */
function run(args, options) {
  const child = child_process.spawn(python, args, options);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
