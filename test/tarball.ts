// A package as npm's users get it, and what holds for each that is of ES modules alone.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, expect, test } from 'vitest';
import { root } from '../scripts/step.mjs';

/**
 * Packs a package and installs it in an empty folder, which goes when the tests of the file are over: with its
 * dependencies and nothing else of this checkout. Tests what is in the tarball.
 *
 * @param source the package's folder
 * @param others names of files that it holds beside its build
 * @returns the folder in which it is installed
 */
export function testTarball(source: string, others: readonly string[] = []): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-package-'));
  const args = ['pack', source, '--json', '--pack-destination', folder];
  const [pack] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8', cwd: folder }));
  const files: string[] = pack.files.map((file: { path: string }) => file.path);
  const tarball = path.join(folder, pack.filename);
  const modules = path.join(folder, 'node_modules');
  const installed = path.join(modules, pack.name);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  const { dependencies } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const [found] = [source, root].map((at) => path.join(at, 'node_modules', name)).filter(existsSync);
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(found ?? expect.fail(`${name} is not installed`), path.join(modules, name));
  }
  afterAll(() => rmSync(folder, { recursive: true }));

  test('the tarball holds the build, its types, README and LICENSE, and no word of where it was made', () => {
    expect(files.filter((name) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(name)).sort()).toEqual(
      ['LICENSE', 'README.md', 'package.json', ...others].sort(),
    );
    const license = (of: string) => readFileSync(path.join(of, 'LICENSE'), 'utf8');
    expect(license(source)).toBe(license(root));
    for (const file of files) {
      const text = readFileSync(path.join(source, file), 'utf8');
      for (const leak of [root, homedir(), 'sourceMappingURL']) expect(text, file).not.toContain(leak);
      // What is bundled of others would have to bring its licence.
      expect(text, file).not.toMatch(/^ *\/\/ .*node_modules\//m);
    }
  });

  test('it has no fault that publint knows', async () => {
    const { buffer } = new Uint8Array(readFileSync(tarball));
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('its types are right for ES modules, which it is alone', async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
    expect(result).toMatchObject({ types: { kind: 'included' } });
    const problems = 'problems' in result ? result.problems : [];
    const wrong = problems.filter(({ kind }) => kind !== 'CJSResolvesToESM');
    expect(wrong.filter((problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))).toEqual(
      [],
    );
  });
  return installed;
}
