// How large the page of a large run is, and how long it takes to make. Run by `npm run bench -- loadtest`; alone, `node
// bench/loadtest/report.mjs [--quick]` prints the rows as JSON lines.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { NO_ANSWER, NO_REPORT, Samples, summarise } from '../../packages/loadtest/dist/index.js';
import { figure, verdict } from '../median.mjs';

/** @typedef {import('../report.mjs').Row} Row */

const SELF = fileURLToPath(import.meta.url);
const PAGE = new URL('../../packages/loadtest/dist/report.js', import.meta.url).href;
const CLI = fileURLToPath(new URL('../../packages/loadtest/dist/cli.js', import.meta.url));
const BURSTS = 1000;
const N = 100;
const INFO = {
  ...{ startedAt: '2026-11-23T22:40:00.000Z', target: 'http://127.0.0.1:8000/nlp/ner', mode: 'bursts', n: N },
  ...{
    bursts: BURSTS,
    everyMs: 61_000,
    rate: null,
    stages: null,
    durationMs: null,
    cold: 'restart',
    timeoutMs: 60_000,
  },
  text: { characters: 92, sha256: '0'.repeat(64), requests: 1, documents: 1 },
  ...{ labels: {}, version: null, pair: null },
};
const BURST_LINES = Array.from({ length: BURSTS }, (_, burst) => ({
  ...{ burst, spreadMs: 0.3 + (burst % 7) / 10 },
  releasedAt: new Date(Date.parse(INFO.startedAt) + burst * INFO.everyMs).toISOString(),
}));

/**
 * @param {{ quick?: boolean }} [options] fewer repeats
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  // Each in a process of its own, as for a user: nothing is compiled or cached before.
  const made = Array.from({ length: quick ? 5 : 11 }, () =>
    JSON.parse(execFileSync(process.execPath, [SELF, 'make'], { encoding: 'utf8' })),
  );
  const ms = made.map(({ rendered }) => rendered);
  const seconds = reported(quick ? 5 : 7);
  const bytes = made[0].bytes;
  return [
    {
      what: 'report: page of 100,000 samples',
      must: '≤ 150 KB',
      value: `${(bytes / 1000).toFixed(0)} KB`,
      verdict: bytes <= 150_000 ? 'reached' : 'falls short',
    },
    {
      what: 'report: the same, rendered',
      must: '≤ 500 ms',
      value: `${figure(ms, 0)} ms`,
      verdict: verdict(ms, (each) => each <= 500),
    },
    {
      what: 'report: libraries for it, loaded before',
      must: '',
      value: `${figure(
        made.map(({ loaded }) => loaded),
        0,
      )} ms`,
      verdict: '',
    },
    {
      what: 'report: the command, with --html, of a file of 100,000 samples',
      must: '≤ 4 s',
      value: `${figure(seconds, 2)} s`,
      verdict: verdict(seconds, (each) => each <= 4),
    },
  ];
}

/** How long the command takes, s. @param {number} times */
function reported(times) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  try {
    const file = path.join(folder, 'run.ndjson');
    const samples = Array.from(measured(), (sample) => ({ type: 'sample', ...sample }));
    const bursts = BURST_LINES.map((burst) => ({ type: 'burst', ...burst }));
    const lines = [{ type: 'run', format: 1, ...INFO }, ...samples, ...bursts, { type: 'end', reason: 'complete' }];
    fs.writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return Array.from({ length: times }, () => {
      const began = performance.now();
      execFileSync(process.execPath, [CLI, 'report', file, '--html', path.join(folder, 'page.html')], {
        stdio: 'pipe',
      });
      return (performance.now() - began) / 1000;
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function make() {
  const samples = Samples.from(measured());
  const summary = summarise(samples, 'sent', BURST_LINES);
  const began = performance.now();
  const { htmlReport } = await import(PAGE);
  const loaded = performance.now();
  const page = htmlReport({ info: INFO, samples, bursts: BURST_LINES, end: 'complete' }, summary);
  const rendered = performance.now();
  console.log(JSON.stringify({ bytes: Buffer.byteLength(page), loaded: loaded - began, rendered: rendered - loaded }));
}

/** Bursts in which a third is cold, a tenth refused, some lost; no two latencies alike. */
function* measured() {
  for (let i = 0; i < BURSTS * N; i++) {
    const [burst, index] = [Math.floor(i / N), i % N];
    const noise = 1 + ((i * 7919) % 10_007) / 10_007;
    const ms = index < 33 ? 700 * noise : 20 * noise;
    const lost = index === 99;
    /** @type {import('../../packages/loadtest/dist/index.js').Sample['outcome']} */
    const outcome = lost ? 'timeout' : index >= 90 ? 'kong-429' : 'ok';
    yield {
      ...{
        ...NO_ANSWER,
        ...NO_REPORT,
        burst,
        index,
        documents: 1,
        characters: 92,
        bytes: 103,
        intendedMs: 0,
        sentMs: index / 100,
        error: null,
      },
      ...{ firstByteMs: lost ? null : ms, lastByteMs: lost ? null : ms, outcome },
      ...(outcome === 'ok' && {
        ...{ status: 200, start: /** @type {'cold' | 'warm'} */ (index < 33 ? 'cold' : 'warm'), initType: 'on-demand' },
        ...{ instance: `environment-${burst}-${index}`, initMs: 400 * noise, loadMs: 250 * noise, nerMs: 6, kongMs: 2 },
        ...{ limit: 100, remaining: 50, resetS: 40 },
      }),
    };
  }
}

if (process.argv[1] === SELF) {
  if (process.argv[2] === 'make') await make();
  else for (const row of await rows({ quick: process.argv.includes('--quick') })) console.log(JSON.stringify(row));
}
