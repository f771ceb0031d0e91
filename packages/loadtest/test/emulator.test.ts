// The command against packages/emulator: what the one asks for is what the other serves.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { python } from '../../../scripts/python.mjs';
import { type Emulator, type EmulatorEvent, startEmulator } from '../../emulator/src/index.js';
import { readReportLog } from '../src/run/report-log.js';
import { readRun } from '../src/run/run-file.js';
import type { Sample } from '../src/run/sample.js';

const local = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'burst-ner-load-'));
const LOG = join(folder, 'function.log');

// Tells its start as the function does.
const HANDLER = `
first = True
def handler(event, context):
    global first
    cold, first = first, False
    return {"statusCode": 200, "headers": {"x-ner-cold-start": str(int(cold))}, "body": "{}"}
`;

let emulator: Emulator;
const events: EmulatorEvent[] = [];
/** Answers of the function, and environments that were started for a request. */
const counts = () => ({
  answers: events.filter((each) => each.event === 'answer' && each.by === 'upstream').length,
  coldStarts: events.filter(({ event }) => event === 'cold start').length,
});
beforeAll(async () => {
  mkdirSync(join(folder, 'burst_ner'));
  writeFileSync(join(folder, 'burst_ner/handler.py'), HANDLER);
  emulator = await startEmulator({
    kong: local('../../../kong/kong.yaml'),
    service: folder,
    ...{ python, model: '/', env: {} },
    onEvent: (event) => void events.push(event),
    log: ({ time, stream, line }) => appendFileSync(LOG, `${time} ${stream} ${line}\n`),
  });
});
afterAll(() => emulator.close());

async function run(key: string, ...args: string[]) {
  const child = spawn(process.execPath, [local('../dist/cli.js'), 'run', emulator.endpoint, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NER_API_KEY: key },
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, stderr };
}

test('--cold restart makes every burst cold, and REPORT lines join', async () => {
  const out = join(folder, 'run.ndjson');
  const restart = ['--cold', 'restart', '--emulator', emulator.functionUrl.url];
  const args = ['-n', '3', '--bursts', '2', '--every', '100ms', ...restart, '--out', out];
  const { code, stderr } = await run(emulator.keys['load-generator'], ...args);
  expect(code, stderr).toBe(0);
  // The key that tried the gateway was neither counted nor did it wake the function.
  expect(counts()).toEqual({ answers: 6, coldStarts: 6 });
  expect(stderr).toContain('tell a limit of 1000 a minute, not 100');
  expect(stderr).not.toContain('Somebody else');

  const fill = await readReportLog(LOG);
  const samples: Sample[] = [];
  await readRun(out, (sample) => {
    expect(fill(sample)).toBe(true);
    samples.push(sample);
  });
  expect(samples.map(({ start }) => start)).toEqual(Array(6).fill('cold'));
  for (const { durationMs, reportInitMs, billedMs, firstByteMs } of samples) {
    expect(reportInitMs).toBeGreaterThan(0);
    expect(billedMs).toBeGreaterThan(durationMs ?? 0);
    expect(durationMs).toBeLessThan(firstByteMs ?? 0);
  }
  await run(emulator.keys['load-generator'], '-n', '1');
  expect(counts()).toEqual({ answers: 7, coldStarts: 6 });
});

test('a wrong key is refused before anything reaches the function', async () => {
  const before = counts();
  const { code, stderr } = await run('another-key');
  expect(stderr).toContain('answered 401: it does not know the key in NER_API_KEY.');
  expect(stderr).not.toContain('another-key');
  expect({ code, ...counts() }).toEqual({ code: 3, ...before });
});
