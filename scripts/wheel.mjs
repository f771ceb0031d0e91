// `npm run wheel -- [OUT]`: the Python wheels of packages/service, one a platform.
import child_process from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError, userPath } from './step.mjs';

await command(async () => {
  const [out = 'dist', ...more] = process.argv.slice(2);
  if (out.startsWith('-') || more.length > 0) throw new UserError('Usage: npm run wheel -- [OUT] (default: dist)');
  await setUp({ dev: true });
  const options = { cwd: path.join(root, 'packages/service'), stdio: /** @type {const} */ ('inherit') };
  return child_process.spawnSync(python, ['-m', 'tools.wheel', userPath(out)], options).status ?? 1;
});
