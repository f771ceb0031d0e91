import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { KEY, told } from '../../../scripts/canaries.mjs';
import { readRun } from '../src/run/run-file.js';
import type { Kept } from '../src/run/samples.js';

/** The built command: `pnpm build` comes first. */
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

export function start(args: string[], env: NodeJS.ProcessEnv = {}, command = [process.execPath]) {
  const child = spawn(command[0] ?? '', [...command.slice(1), CLI, 'run', ...args], {
    env: { ...process.env, FORCE_COLOR: undefined, NER_API_KEY: KEY, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once('close', (code) => {
      expect(told(stdout + stderr), 'the key is told').toBe(false);
      resolve({ code, stdout, stderr });
    }),
  );
  return { child, ended };
}
export const run = (args: string[], env?: NodeJS.ProcessEnv) => start(args, env).ended;
export const temporary = (name: string) => join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), name);
export const readSamples = async (file: string): Promise<Kept[]> => [...(await readRun(file)).samples];
