// `npm run bench -- service [--json] [--quick] [--write]`: what the parts cost, measured beside their peers.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

await command(async () => {
  const [part, ...args] = process.argv.slice(2);
  if (part !== 'service') throw new UserError('Usage: npm run bench -- service [--json] [--quick] [--write]');
  await setUp({ dev: true });
  // The benchmark uses the function's tools.
  const env = { ...process.env, PYTHONPATH: path.join(root, 'packages/service') };
  // The benchmark ends by itself on Ctrl-C, which reaches all processes.
  process.on('SIGINT', () => {});
  const measured = await run([path.join(root, 'bench/service/bench.py'), ...args], { env, stdio: 'inherit' });
  if (args.includes('--quick')) return measured;
  // What `npm test` runs a tenth of. Standard output is the table's.
  const properties = await run(['-m', 'pytest', '-q', 'tests/test_properties.py'], {
    cwd: path.join(root, 'packages/service'),
    env: { ...env, BURST_NER_FULL: '1' },
    stdio: ['ignore', 2, 2],
  });
  return measured || properties;
});

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
