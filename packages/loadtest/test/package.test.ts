// The load test as npm's users get it.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { testTarball } from '../../../test/tarball.js';

const installed = testTarball(fileURLToPath(new URL('..', import.meta.url)));

test('the command says what it is', () => {
  const cli = path.join(installed, 'dist/cli.js');
  const help = execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' });
  for (const name of ['run', 'report', 'compare', 'plan', 'export', 'selfcheck']) expect(help).toContain(`  ${name} `);
});
