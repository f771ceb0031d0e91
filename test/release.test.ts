// What a release holds to, as far as it can be told without making one.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../packages/client/src/transport.js';
import { PACKAGES, versionOf } from '../scripts/release/artefacts.mjs';
import { refusedLicences } from '../scripts/release/licences.mjs';
import { root } from '../scripts/step.mjs';

const read = (name: string) => readFileSync(path.join(root, name), 'utf8');

test('all packages have one version', () => {
  expect(versionOf()).toBe(VERSION);
});

test.each([...PACKAGES, 'service'])('the README of %s has the form of all', (name) => {
  const page = read(`packages/${name}/README.md`);
  expect(page).toMatch(name === 'service' ? /^# burst-ner\n\n/ : new RegExp(`^# @burst-ner/${name}\n\n`));
  const parts = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  expect(parts.slice(0, 2)).toEqual(['Install', 'Use']);
  expect(parts.at(-1)).toBe('Read on');
  expect(page).toMatch(/^(Node|Python) ≥ /m);
  expect(page.endsWith('- MIT: [LICENSE](LICENSE)\n')).toBe(true);
});

test('outside a git checkout a release is one sentence', () => {
  const env = { ...process.env, GIT_DIR: path.join(root, 'nowhere') };
  const release = path.join(root, 'scripts/release.mjs');
  const { status, stderr } = spawnSync(process.execPath, [release, '--dry-run'], { env, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^A release is made from a git checkout, .*\n$/)]);
});

test('a licence must be told, and allowed', () => {
  const component = (name: string, licenses?: object[]) => ({ type: 'library', name, version: '1.0.0', licenses });
  const bill = (...components: object[]) => ({
    metadata: { component: component('ours', [{ license: { id: 'MIT' } }]) },
    components,
  });
  const fine = [
    component('a', [{ license: { id: 'ISC' } }]),
    component('b', [{ expression: 'GPL-3.0-only OR BSD-3-Clause' }]),
  ];
  expect(refusedLicences(bill(...fine) as never)).toEqual([]);
  const bad = [
    component('copyleft', [{ license: { id: 'GPL-3.0-only' } }]),
    component('both', [{ expression: 'MIT AND GPL-3.0-only' }]),
    component('odd', [{ license: { name: 'see the web' } }]),
    component('silent'),
  ];
  expect(refusedLicences(bill(...fine, ...bad) as never)).toEqual([
    'copyleft 1.0.0 has the licence GPL-3.0-only, which is not allowed.',
    'both 1.0.0 has the licence MIT AND GPL-3.0-only, which is not allowed.',
    'odd 1.0.0 has the licence see the web, which is not allowed.',
    'silent 1.0.0 has the licence of nobody knows, which is not allowed.',
  ]);
});
