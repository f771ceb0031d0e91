// What a user sees on a machine that lacks something.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-setup-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An interpreter that answers the probe as a Python of that version would. */
function fakePython(name: string, answer: string) {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\necho "${answer} ${file}"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** A copy of what the commands are made of, with nothing installed. */
function checkOut(): string {
  const copy = path.join(folder, 'checkout');
  rmSync(copy, { recursive: true, force: true });
  const parts = [
    'package.json',
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'tsconfig.base.json',
    'scripts',
    'kong',
    'demo',
    'packages',
  ];
  for (const part of parts) {
    cpSync(path.join(root, part), path.join(copy, part), {
      recursive: true,
      filter: (file) => !['node_modules', 'dist', '.venv'].includes(path.basename(file)),
    });
  }
  return copy;
}

/** Runs a command of a fresh checkout, where only `PATH` has interpreters. */
function runFresh(script: string, args: string[], env: Record<string, string>) {
  return spawnSync(process.execPath, [path.join(checkOut(), 'scripts', script), ...args], { encoding: 'utf8', env });
}

const find = (env: Record<string, string>) =>
  spawnSync(
    process.execPath,
    [
      '-e',
      `import('${root}/scripts/python.mjs').then((m) => console.log(m.findPython().path)).catch((e) => console.log(e.message))`,
    ],
    { encoding: 'utf8', env },
  ).stdout.trim();

test('no interpreter that fits: both bounds and every interpreter that was tried', () => {
  const old = fakePython('old-python', '3 10 1 True');
  fakePython('python3.14', '3 15 0 True');
  fakePython('python3.12', '3 12 3 False');
  writeFileSync(path.join(folder, 'python3.11'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
  const message = find({ PATH: folder, PYTHON: old });
  expect(message).toMatch(
    /^Python 3\.11 to 3\.14 with the venv module is needed and none was found; install one, or set PYTHON/,
  );
  expect(message).toContain(`${old}: 3.10.1 is too old`);
  expect(message).toContain('python3.14: 3.15.0 is newer than the pinned wheels');
  expect(message).toContain('python3.13: not found');
  expect(message).toContain('python3.11: does not run (exit code 127)');
  expect(message).toContain('python3.12: 3.12.3 has no venv module (Debian and Ubuntu: apt install python3.12-venv)');
  expect(message).toContain('python3: not found');
});

test('PYTHON comes first, then the newest', () => {
  const mine = fakePython('mine', '3 11 9 True');
  const newest = fakePython('python3.13', '3 13 1 True');
  expect(find({ PATH: folder, PYTHON: mine })).toBe(mine);
  expect(find({ PATH: folder })).toBe(newest);
});

test('no network at install is one sentence', () => {
  const { status, stderr } = runFresh('demo.mjs', [], {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    npm_config_cache: path.join(folder, 'npm-cache'),
    npm_config_fetch_retries: '0',
    PIP_RETRIES: '0',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    HTTP_PROXY: 'http://127.0.0.1:9',
  });
  expect(status).toBe(1);
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
    /^The npm registry could not be reached: check the network or proxy/,
  );
  expect(stderr).not.toMatch(/\n\s+at /);
});

test('npm install by reflex says what to run', () => {
  const env = { ...process.env, npm_config_user_agent: 'npm/11.0.0 node/v20' };
  const npm = spawnSync(process.execPath, [path.join(root, 'scripts/preinstall.mjs')], { encoding: 'utf8', env });
  expect(npm.status).toBe(1);
  expect(npm.stderr).toMatch(/npm run demo.*npm test/);
});

test('what was built once is not built again', () => {
  const copy = checkOut();
  const builds = path.join(folder, 'builds');
  const npx = `#!/bin/sh
case "$*" in
  *build*)
    echo built >> ${builds}
    for name in client loadtest emulator batch; do mkdir -p packages/$name/dist; done
    mkdir -p packages/emulator/conformance/dist
    touch packages/emulator/conformance/dist/made.d.ts
    ;;
  *) mkdir -p node_modules ;;
esac
`;
  writeFileSync(path.join(folder, 'npx'), npx, { mode: 0o755 });
  const setUp = `import('${copy}/scripts/setup.mjs').then((m) => m.setUp({ python: false }))`;
  for (let times = 0; times < 2; times++) {
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    const { status, stderr } = spawnSync(process.execPath, ['-e', setUp], { cwd: copy, encoding: 'utf8', env });
    expect(status, stderr).toBe(0);
  }
  expect(readFileSync(builds, 'utf8')).toBe('built\n');
});
