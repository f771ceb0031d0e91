import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readReportLog } from '../src/run/report-log.js';
import { NO_ANSWER, NO_REPORT, type Sample } from '../src/run/sample.js';

function fileOf(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'function.log');
  writeFileSync(file, text);
  return file;
}

const sample = (lambdaRequestId: string | null): Sample => ({
  ...{ ...NO_ANSWER, ...NO_REPORT, burst: 0, index: 0, documents: 1, characters: 1, bytes: 1 },
  ...{ intendedMs: 0, sentMs: 0, firstByteMs: 1, lastByteMs: 1 },
  ...{ outcome: 'ok', error: null, lambdaRequestId },
});

const ID = '8f5a1c1e-0000-4000-8000-00000000000a';
const COLD =
  `REPORT RequestId: ${ID}\tDuration: 12.34 ms\tBilled Duration: 826 ms\tMemory Size: 2048 MB\t` +
  'Max Memory Used: 300 MB\tInit Duration: 812.50 ms\t';
const JSON_COLD = JSON.stringify({
  time: '2026-01-05T12:00:00.000Z',
  type: 'platform.report',
  record: {
    requestId: ID,
    metrics: {
      ...{ durationMs: 12.34, billedDurationMs: 826, memorySizeMB: 2048, maxMemoryUsedMB: 300, initDurationMs: 812.5 },
    },
    status: 'success',
  },
});

test.each([
  ['of CloudWatch', COLD],
  ["of the emulator's --log", `2026-01-05T12:00:00.000Z 2026/01/05/[1]abc ${COLD}`],
  ['as JSON', JSON_COLD],
  ['as JSON behind a time and a stream', `2026-01-05T12:00:00 2026/01/05/[1]abc ${JSON_COLD}`],
  ['quoted by filter-log-events', `            "message": ${JSON.stringify(`${COLD}\n`)},`],
  ['as JSON quoted by filter-log-events', JSON.stringify({ events: [{ message: JSON_COLD }] })],
])('a REPORT line %s joins its request', async (_, line) => {
  const join = await readReportLog(fileOf(`START RequestId: ${ID} Version: 7\n{"text": 1}\n${line}\r\nEND\n`));
  const mine = sample(ID);
  expect(join(mine)).toBe(true);
  expect(mine).toMatchObject({ durationMs: 12.34, billedMs: 826, reportInitMs: 812.5, outcome: 'ok' });
  for (const id of ['another', null]) {
    const other = sample(id);
    expect(join(other)).toBe(false);
    expect(other).toEqual(sample(id));
  }
});

test('a warm request has no init', async () => {
  const join = await readReportLog(fileOf(COLD.replace(/\tInit.*/, '')));
  const mine = sample(ID);
  join(mine);
  expect(mine).toMatchObject({ durationMs: 12.34, reportInitMs: null });
});

test('many events on one line are each read', async () => {
  const events = ['a', 'b'].map((id) => ({
    message: COLD.replace(ID, id).replace('12.34', id === 'a' ? '1.5' : '2.5'),
  }));
  const join = await readReportLog(fileOf(JSON.stringify({ events })));
  const [a, b] = [sample('a'), sample('b')];
  expect([join(a), join(b), a.durationMs, b.durationMs]).toEqual([true, true, 1.5, 2.5]);
});

test('a number that is cut or garbled is read as far as it is one', async () => {
  const join = await readReportLog(
    fileOf('"type":"platform.report" "requestId":"a" "durationMs":3.7.1, "billedDurationMs":.'),
  );
  const mine = sample('a');
  join(mine);
  expect(mine).toMatchObject({ durationMs: 3.7, billedMs: null });
});

test('a file that is no log is one sentence', async () => {
  await expect(readReportLog('/no/such.log')).rejects.toThrow(
    "Cannot read /no/such.log (ENOENT); give the function's log.",
  );
  const file = fileOf('hello\n');
  await expect(readReportLog(file)).rejects.toThrow(`${file} has no REPORT line; give the log of the function itself.`);
});
