// The emulator as npm's users get it.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { testTarball } from '../../../test/tarball.js';
import { folderOf, PYTHON } from './function.js';

const PAGE = ['icon.svg', 'index.html', 'page.css', 'page.js'].map((name) => `page/${name}`);
const installed = testTarball(fileURLToPath(new URL('..', import.meta.url)), [...PAGE, 'python/compat_runtime.py']);

test('the command says what it is', () => {
  const cli = path.join(installed, 'dist/cli.js');
  expect(execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' })).toMatch(
    /^Usage: burst-ner-emulator .* {2}up /s,
  );
});

test('a program starts it, and a function answers behind its gateway', () => {
  const service = folderOf({ 'burst_ner/handler.py': 'def handler(event, context): return event["body"].upper()' });
  const options = {
    kong: fileURLToPath(new URL('../../../kong/kong.yaml', import.meta.url)),
    ...{ service, python: PYTHON, model: '/', env: {} },
  };
  const program = `
    import { startEmulator } from '@burst-ner/emulator';
    const emulator = await startEmulator(${JSON.stringify(options)});
    const headers = { apikey: emulator.keys['batch-processor'] };
    const answer = await fetch(emulator.endpoint, { method: 'POST', headers, body: 'ada' });
    console.log(answer.status, await answer.text());
    await emulator.close();`;
  const args = ['--input-type=module', '-e', program];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8', cwd: path.dirname(installed) })).toBe('200 ADA\n');
});
