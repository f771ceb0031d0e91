import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { Recorder } from '../../src/run/run-file.js';
import { bursts, INFO } from './run.js';

/** The built command: `pnpm build` comes first. */
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'burst-ner-report-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RUN = join(folder, 'run.ndjson');
const file = new Recorder({ ...INFO, bursts: 5, everyMs: 61_000 }, RUN);
const samples = bursts(5, 20, { cold: 12 }).map((found, i) => ({ ...found, lambdaRequestId: `id-${i}` }));
for (const burst of [0, 1, 2, 3, 4]) {
  file.samples(samples.filter((found) => found.burst === burst));
  file.burst({ burst, releasedAt: `2026-11-23T22:4${burst}:00.000Z`, spreadMs: 0.3 });
}
file.end('complete');

const report = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'report', ...args], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: undefined },
  });
  return { code: status, stdout, stderr };
};

test('a run that was kept is reported again, judged, and drawn', () => {
  const html = join(folder, 'report.html');
  const { code, stdout } = report(RUN, '--html', html, '--fail-if', 'cold.p50 > 3s');
  expect(stdout).toContain('100 of 100 requests succeeded: 60 cold');
  expect(stdout).toContain('held: fail if cold.p50 > 3s');
  expect(code).toBe(0);
  expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>/s);
  expect(report(RUN, '--fail-if', 'cold.p50 > 3ms').code).toBe(1);
  const json = JSON.parse(report(RUN, '--json').stdout);
  expect(json).toMatchObject({ sent: 100, run: { n: 20 }, thresholds: [] });
});

test('a page that cannot be written is told first, and none replaces its run', () => {
  const link = join(folder, 'link.html');
  symlinkSync(RUN, link);
  for (const html of [RUN, link]) {
    const own = report(RUN, '--html', html);
    expect(own.stderr).toContain(`--html would replace ${RUN}.`);
    expect(own.code).toBe(3);
  }
  const lost = report(RUN, '--html', join(folder, 'none', 'report.html'));
  expect(lost.stderr).toContain('report.html (ENOENT); is there such a folder');
  expect(lost.stdout).toBe('');
  expect(lost.code).toBe(3);
  expect(report(RUN).code).toBe(0);
});

test('a threshold that cannot be judged hides no other one, and no failure', () => {
  const missing = report(RUN, '--fail-if', 'ahead.p50 > 3s', '--fail-if', 'cold.p50 > 3s');
  expect(missing.stdout).toContain('held: fail if cold.p50 > 3s');
  expect(missing.stderr).toContain("--fail-if 'ahead.p50 > 3s' cannot be judged: the run has no ahead answers.");
  expect(missing.code).toBe(3);
  expect(report(RUN, '--fail-if', 'ahead.p50 > 3s', '--fail-if', 'cold.p50 > 3ms').code).toBe(1);
  const failed = join(folder, 'failed.ndjson');
  const nothing = new Recorder(INFO, failed);
  nothing.samples(
    samples.slice(0, 20).map((found) => ({ ...found, outcome: '5xx', status: 503, start: 'unknown' }) as const),
  );
  nothing.end('complete');
  const { code, stdout } = report(failed, '--fail-if', 'warm.p50 > 3s', '--fail-if', '5xx > 0');
  expect(stdout).toContain('broken: fail if 5xx > 0');
  expect(code).toBe(1);
});

test("the function's log is joined by request id", () => {
  const log = join(folder, 'function.log');
  const line = (id: string) =>
    `REPORT RequestId: ${id}\tDuration: 12.5 ms\tBilled Duration: 999 ms\tInit Duration: 986 ms\n`;
  writeFileSync(
    log,
    samples
      .slice(0, 30)
      .map(({ lambdaRequestId }) => line(lambdaRequestId))
      .join(''),
  );
  const html = join(folder, 'joined.html');
  const { code, stderr } = report(RUN, '--report-log', log, '--html', html);
  expect({ code, stderr }).toEqual({ code: 0, stderr: `${log} has REPORT lines of 30 of 100 requests.\n` });
  expect(readFileSync(html, 'utf8')).toContain('runtime start');
});

test('what cannot be reported is one sentence and exit code 3', () => {
  const cut = join(folder, 'cut.ndjson');
  writeFileSync(cut, readFileSync(RUN, 'utf8').slice(0, -400));
  const other = join(folder, 'other.txt');
  appendFileSync(other, 'nothing\n');
  for (const [args, sentence] of [
    [[join(folder, 'none.ndjson')], 'Cannot read'],
    [[cut], 'is cut off'],
    [[other], 'does not start as a run does'],
    [[RUN, '--html', join(folder, 'no/such/report.html')], 'Cannot write'],
    [[RUN, '--report-log', other], 'has no REPORT line'],
    [[RUN, '--fail-if', 'slow'], "--fail-if 'slow' must be like"],
  ] as const) {
    const { code, stderr } = report(...args);
    expect(stderr).toContain(sentence);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(code).toBe(3);
  }
});
