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
  const child = child_process.spawn(python, [path.join(root, 'bench/service/bench.py'), ...args], {
    env,
    stdio: 'inherit',
  });
  // The benchmark ends by itself on Ctrl-C, which reaches both processes.
  process.on('SIGINT', () => {});
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
});
