// `npm run bench -- PART [--json] [--quick] [--write]`: what the parts cost, beside their peers, and what they bear.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { json, markdown, write } from '../bench/report.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

/** Each module's `rows` measures some lines of the part's table. @type {Record<string, string[]>} */
const MODULES = {
  client: ['rate', 'fleet', 'outage', 'throughput', 'abort', 'pieces', 'unicode', 'cli'],
  emulator: ['gateway', 'lambda'],
  scale: ['wheel', 'clusters', 'batch'],
  loadtest: ['accuracy', 'loop', 'cold', 'plan', 'questions', 'report', 'statistics'],
  soak: ['soak'],
  fuzz: ['parsers'],
};
const USAGE = `Usage: npm run bench -- service [PART ...]|${Object.keys(MODULES).join('|')} [--json] [--quick] [--write]
soak and fuzz also take --minutes N, and fuzz the names of parsers.`;

await command(async () => {
  const [part = '', ...args] = process.argv.slice(2);
  // The service's parts are known to its own bench.
  const asked = part === 'service' ? undefined : parse(part, args);
  await setUp({ dev: true });
  return asked ? modules(part, asked) : service(args);
});

/**
 * @param {string} part
 * @param {string[]} args
 * @throws {UserError} for what nobody knows
 */
function parse(part, args) {
  const flag = /** @type {const} */ ({ type: 'boolean', default: false });
  const options = { json: flag, quick: flag, write: flag, minutes: /** @type {const} */ ({ type: 'string' }) };
  try {
    const { values, positionals } = util.parseArgs({ args, options, allowPositionals: part === 'fuzz' });
    const { minutes, ...flags } = values;
    const long = part === 'soak' || part === 'fuzz';
    if (MODULES[part] && (minutes === undefined || (long && Number(minutes) > 0))) {
      return { ...flags, ...(minutes !== undefined && { minutes: Number(minutes) }), names: positionals };
    }
  } catch {
    // The sentence below says all that there is.
  }
  throw new UserError(USAGE);
}

/**
 * @param {string} part
 * @param {ReturnType<typeof parse>} asked
 * @returns {Promise<number>} 0 when every figure reaches what it must
 */
async function modules(part, { json: asJson, write: toDocument, ...asked }) {
  const all = [];
  for (const name of MODULES[part] ?? []) {
    console.error(`  Measure ${part}: ${name} …`);
    const { rows } = await import(`../bench/${part}/${name}.mjs`);
    all.push(...(await rows(asked)));
  }
  const title = asked.minutes === undefined ? part : `${part} --minutes ${asked.minutes}`;
  console.log(asJson ? json(title, all) : markdown(title, all));
  if (toDocument) write(part, title, all);
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
