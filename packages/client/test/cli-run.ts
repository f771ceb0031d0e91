import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { told } from '../../../scripts/canaries.mjs';
import { type Gateway, KEY } from './gateway.js';

/** The built program, as it is installed: run the build before these tests. */
export const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

export interface RunOptions {
  env?: Record<string, string>;
  /** `open` never ends. */
  stdin?: string;
  onStart?: (child: ChildProcess) => void;
  /** Before the program, e.g. limits of its shell. */
  shell?: string;
}

/** Runs the program in a new folder for each test. */
export function inFolder() {
  let root: string;
  let folder: string;
  beforeAll(async () => {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: run the build first`);
    root = await mkdtemp(join(tmpdir(), 'cli-'));
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(root, 'run-'));
  });
  afterAll(() => rm(root, { recursive: true }));

  return {
    path: (name: string) => join(folder, name),
    write: (name: string, text: string | Buffer) => writeFile(join(folder, name), text),
    read: (name: string) => readFile(join(folder, name), 'utf8'),
    lines: async (name: string) => jsonLines(await readFile(join(folder, name), 'utf8')),
    async run(args: string[], { env = { NER_API_KEY: KEY }, stdin = '', onStart, shell }: RunOptions = {}) {
      const { PATH = '' } = process.env;
      const [command = '', ...rest] = shell
        ? ['/bin/sh', '-c', `${shell}; exec "$0" "$@"`, process.execPath, PROGRAM, ...args]
        : [process.execPath, PROGRAM, ...args];
      const child = spawn(command, rest, { cwd: folder, env: { PATH, ...env } });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk) => {
        stdout += chunk;
      });
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.stdin.on('error', () => {});
      if (stdin !== 'open') child.stdin.end(stdin);
      onStart?.(child);
      const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
      expect(told(stdout + stderr), 'the key is told').toBe(false);
      return { code, stderr, stdout };
    },
  };
}

export function jsonLines(text: string): Record<string, unknown>[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

export const extract = (gateway: Gateway, ...args: string[]) => ['extract', '--url', gateway.url, ...args];
