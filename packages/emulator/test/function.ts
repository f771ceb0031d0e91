// Small Lambda functions in a temporary folder, and fleets that run them under real Python.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import { python as PYTHON } from '../../../scripts/python.mjs';
import type { FunctionConfig } from '../src/lambda/environment.js';
import { Fleet, type FleetOptions, type LambdaEvent } from '../src/lambda/fleet.js';
import { findRuntime } from '../src/lambda/python.js';

const local = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export { PYTHON };

const cleanups: (() => Promise<void> | void)[] = [];
/** Runs when the test is over, last first. */
export const later = (cleanup: () => Promise<void> | void) => void cleanups.push(cleanup);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A temporary folder with files in it, by their paths. It goes when the test is over. */
export function folderOf(files: Record<string, string>): string {
  const folder = makeFolder(files);
  // A process whose emulator was killed may write its compiled modules for a moment.
  later(() => rmSync(folder, { recursive: true, maxRetries: 10 }));
  return folder;
}

/** The same, to be removed by the caller. */
export function makeFolder(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

const runtime = (compat = false) => findRuntime(PYTHON, local('../python/compat_runtime.py'), compat);

/** What the handlers here return, as far as a test reads it. */
interface Answer {
  pid: number;
  [key: string]: unknown;
}

/** A fleet of a function whose `app.py` is given; it is closed when the test is over. */
export async function fleetOf(
  python: string,
  { compat, ...config }: Partial<FunctionConfig> & { compat?: boolean } = {},
  options: FleetOptions = {},
) {
  const folder = folderOf({ 'app.py': python });
  const lines: string[] = [];
  const events: LambdaEvent[] = [];
  const log = ({ line }: { line: string }) => void lines.push(line);
  const base = { runtime: await runtime(compat), taskRoot: folder, handler: 'app.handler', variables: {}, log };
  const fleet = new Fleet({ ...base, ...config }, { onEvent: (event) => void events.push(event), ...options });
  later(() => fleet.close());
  const invoke = (event: object = {}) => fleet.invoke(randomUUID(), JSON.stringify(event));
  return {
    fleet,
    folder,
    lines,
    events,
    invoke,
    /** One request that must succeed. */
    async call(event: object = {}): Promise<Answer> {
      const result = await invoke(event);
      if (!result || 'error' in result) throw new Error(JSON.stringify(result?.error ?? 'throttled'));
      return JSON.parse(result.payload.toString()) as Answer;
    },
    /** One request that must fail: its error type and message. */
    async fail(event: object = {}): Promise<string> {
      const result = await invoke(event);
      if (!result || 'payload' in result) throw new Error(`no error: ${result?.payload}`);
      return `${result.error.errorType}: ${result.error.errorMessage}`;
    },
    /** Creates a file that a handler waits for. */
    touch: (name: string) => writeFileSync(path.join(folder, name), ''),
    /** Waits until the function has created a file whose name starts so, and gives the rest of the name. */
    appeared: (prefix: string) => appeared(folder, prefix),
  };
}

/** Waits until a folder has a file whose name starts so, and gives the rest of the name. */
export async function appeared(folder: string, prefix: string): Promise<string> {
  const rest = () =>
    readdirSync(folder)
      .find((file) => file.startsWith(prefix))
      ?.slice(prefix.length);
  await expect.poll(rest, { message: `no ${prefix}` }).toBeDefined();
  return rest() as string;
}

/** Whether a process exists; one that nobody has waited for yet counts as gone. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc/self') || existsSync(`/proc/${pid}/exe`);
  } catch {
    return false;
  }
}
