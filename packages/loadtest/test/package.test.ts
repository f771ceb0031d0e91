// The load test as npm's users get it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';

const source = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-package-'));
let tarball: string;
let files: string[];

beforeAll(() => {
  const args = ['pack', source, '--json', '--pack-destination', folder];
  const [pack] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8', cwd: folder }));
  files = pack.files.map((file: { path: string }) => file.path);
  tarball = path.join(folder, pack.filename);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the tarball holds the build, its types, README and LICENSE, and no word of where it was made', () => {
  expect(files.filter((name) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(name)).sort()).toEqual([
    ...['LICENSE', 'README.md', 'package.json'],
  ]);
  for (const file of files) {
    const text = readFileSync(path.join(source, file), 'utf8');
    for (const leak of [path.resolve(source, '../..'), homedir(), 'sourceMappingURL'])
      expect(text, file).not.toContain(leak);
  }
});

test('it has no fault that publint knows', async () => {
  const { buffer } = new Uint8Array(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test('its types are right for ES modules, which it is alone', async () => {
  const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
  const problems = 'problems' in result ? result.problems : [];
  const others = problems.filter(({ kind }) => kind !== 'CJSResolvesToESM');
  expect(others.filter((problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))).toEqual([]);
});

test('the command says what it is', () => {
  const cli = path.join(source, 'dist/cli.js');
  const help = execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' });
  for (const name of ['run', 'report', 'compare', 'plan', 'export', 'selfcheck']) expect(help).toContain(`  ${name} `);
});
