// A package as npm's users get it, and what holds for each that is of ES modules alone.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, expect, test } from 'vitest';

/**
 * Packs a package into a folder of its own, which goes when the tests of the file are over, and tests what is in it.
 *
 * @param source the package's folder
 * @returns that folder, and the tarball's path in it
 */
export function testTarball(source: string): { folder: string; tarball: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-package-'));
  const args = ['pack', source, '--json', '--pack-destination', folder];
  const [pack] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8', cwd: folder }));
  const files: string[] = pack.files.map((file: { path: string }) => file.path);
  const tarball = path.join(folder, pack.filename);
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
    expect(others.filter((problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))).toEqual(
      [],
    );
  });
  return { folder, tarball };
}
