import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import { type BurstInfo, Recorder, readRun } from '../src/run/run-file.js';
import type { Sample } from '../src/run/sample.js';
import { Samples } from '../src/run/samples.js';
import { bursts, INFO, sample } from './report/run.js';

const temporary = () => join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'run.ndjson');
const BURST: BurstInfo = { burst: 0, releasedAt: '2026-11-23T22:40:00.123Z', spreadMs: 0.24 };

/** Everything that a sample can say. */
const FULL: Sample = {
  ...{
    burst: 3,
    index: 7,
    documents: 3,
    characters: 1480,
    bytes: 1500,
    intendedMs: 0,
    sentMs: 0.123456789,
    firstByteMs: 1234.567891,
    lastByteMs: 1234.6,
    error: null,
  },
  ...{
    outcome: 'ok',
    status: 200,
    start: 'ahead',
    initType: '__proto__',
    instance: 'e-1',
    model: 'en_core_web_sm/3.8.0/e94cbf6c2424',
    requestId: 'r',
    lambdaRequestId: 'l',
  },
  ...{ initMs: 640.5, loadMs: 410.25, nerMs: 6.5, kongMs: 2, upstreamMs: 1230, limit: 100, remaining: 99, resetS: 60 },
  ...{ durationMs: 12.5, billedMs: 653, reportInitMs: 700.75 },
};
const LOST = sample(0, {
  burst: 3,
  outcome: 'timeout',
  status: null,
  start: 'unknown',
  firstByteMs: null,
  lastByteMs: null,
});

function written(samples: readonly Sample[], end?: 'complete' | 'interrupted'): string {
  const file = temporary();
  const run = new Recorder(INFO, file);
  run.samples(samples);
  run.burst(BURST);
  if (end) run.end(end);
  return file;
}

test('a run is read back as it was written', async () => {
  const seen: Sample[] = [];
  const run = await readRun(written([FULL, LOST], 'complete'), (one) => seen.push(one));
  expect(run.info).toMatchObject(INFO);
  expect(run).toMatchObject({ bursts: [BURST], end: 'complete' });
  expect(seen).toMatchObject([FULL, LOST]);
  const { index, requestId, lambdaRequestId, ...kept } = FULL;
  const { index: _i, requestId: _r, lambdaRequestId: _l, ...lost } = LOST;
  expect([...run.samples]).toEqual([kept, lost]);
});

test('what a log says is filled in while reading', async () => {
  const run = await readRun(written([LOST], 'complete'), (one) => Object.assign(one, { billedMs: 812 }));
  expect([...run.samples][0]?.billedMs).toBe(812);
});

test('samples in memory are the same as on disk, over many blocks and words', async () => {
  const many = bursts(25, 100, { cold: 10, refused: 5 }).map((one, at) => ({ ...one, instance: `environment-${at}` }));
  const run = await readRun(written(many, 'complete'));
  const kept = Samples.from(many);
  expect(kept.length).toBe(2500);
  expect([...run.samples]).toEqual([...kept]);
  for (const [at, { instance, sentMs, lastByteMs, initMs, outcome, start, burst }] of [...kept].entries()) {
    const one = many[at] as Sample;
    expect({ instance, sentMs, lastByteMs, outcome, start, burst }).toEqual({
      ...{ instance: one.instance, sentMs: one.sentMs, lastByteMs: one.lastByteMs },
      ...{ outcome: one.outcome, start: one.start, burst: one.burst },
    });
    // What headers tell is kept with seven digits.
    if (one.initMs === null) expect(initMs).toBeNull();
    else expect(initMs).toBeCloseTo(one.initMs, 3);
  }
});

test('a killed run is read, and has no end; Ctrl-C is told', async () => {
  expect(await readRun(written([FULL]))).toMatchObject({ end: null, bursts: [BURST], samples: { length: 1 } });
  expect((await readRun(written([FULL], 'interrupted'))).end).toBe('interrupted');
});

test('a file that is cut or damaged: which line, and how to keep what stands before it', async () => {
  const file = written([FULL, FULL], 'complete');
  truncateSync(file, readFileSync(file, 'utf8').indexOf('"type":"burst"') + 20);
  await expect(readRun(file)).rejects.toThrow(
    new InputError(`${file}, line 4, is cut off; \`head -n 3 '${file}'\` prints what stands before it.`),
  );
  writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, 3).join('\n'));
  expect(await readRun(file), 'as the sentence says').toMatchObject({ end: null, samples: { length: 2 } });
  for (const line of ['{"type":"sample","burst":0}', '{"type":"other"}', '{}', `{"type":"run","format":1}`]) {
    const damaged = written([FULL]);
    appendFileSync(damaged, `${line}\n`);
    await expect(readRun(damaged)).rejects.toThrow(`${damaged}, line 4, is no line of a run; \`head -n 3`);
  }
  const before = written([{ ...FULL, sentMs: 2000 }]);
  await expect(readRun(before)).rejects.toThrow(`${before}, line 2, is no line of a run; \`head -n 1`);
  // As of two files that were put one behind the other.
  const twice = written([FULL], 'complete');
  appendFileSync(twice, `${JSON.stringify({ type: 'sample', ...FULL })}\n`);
  await expect(readRun(twice)).rejects.toThrow(`${twice}, line 5, is no line of a run; \`head -n 4`);
});

test('what is no run: one sentence', async () => {
  const file = temporary();
  await expect(readRun(file)).rejects.toThrow(new InputError(`Cannot read ${file} (ENOENT); give the file of a run.`));
  await expect(readRun(tmpdir())).rejects.toThrow('(EISDIR); give the file of a run.');
  writeFileSync(file, '');
  await expect(readRun(file)).rejects.toThrow(`${file} is empty; give a file that`);
  for (const text of ['hello\n', '{"a":1}\n', '[]', `${JSON.stringify({ type: 'sample', ...FULL })}\n`, '\n']) {
    writeFileSync(file, text);
    await expect(readRun(file)).rejects.toThrow(`${file} does not start as a run does;`);
  }
  writeFileSync(file, `${JSON.stringify({ type: 'run', format: 2, ...INFO })}\n`);
  await expect(readRun(file), 'of another version').rejects.toThrow("this version's");
});

test('a last blank line and a mark of the byte order are an editor’s; a target that is no URL is a sentence; a file of before is read', async () => {
  const blank = written([FULL], 'complete');
  appendFileSync(blank, '\n');
  writeFileSync(blank, `\uFEFF${readFileSync(blank, 'utf8')}`);
  expect(await readRun(blank)).toMatchObject({ end: 'complete', samples: { length: 1 } });
  const odd = temporary();
  writeFileSync(odd, `${JSON.stringify({ type: 'run', format: 1, ...INFO, target: 'nowhere' })}\n`);
  await expect(readRun(odd)).rejects.toThrow(`${odd}, line 1: its target is no URL;`);
  for (const labels of [{ memory: 'lots' }, { memory: '0' }, { arch: 'sparc' }]) {
    writeFileSync(odd, `${JSON.stringify({ type: 'run', format: 1, ...INFO, labels })}\n`);
    await expect(readRun(odd), 'a plan would be of no number').rejects.toThrow('does not start as a run does');
  }
  // As it was written before requests came from files.
  const { labels, version, stages, text, ...before } = INFO;
  const { documents, characters, bytes, model, ...sampleBefore } = FULL;
  const { sha256 } = text;
  const lines = [
    { type: 'run', format: 1, ...before, text: { characters: 92, sha256 } },
    { type: 'sample', ...sampleBefore },
  ];
  const old = temporary();
  writeFileSync(old, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const run = await readRun(old);
  expect(run.info).toMatchObject({ labels: {}, version: null, stages: null, text: { requests: 1, documents: 1 } });
  expect([...run.samples]).toMatchObject([{ documents: 1, characters: 92, bytes: null, model: null }]);
});

test('the command that keeps the rest takes any name', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), "it's $(date) run");
  writeFileSync(file, `${JSON.stringify({ type: 'run', format: 1, ...INFO })}\n{"ty`);
  const error = await readRun(file).catch((error: InputError) => error.message);
  const command = /`(.*)`/.exec(String(error))?.[1] ?? '';
  expect(spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout).toMatch(/^{"type":"run".*}\n$/);
});

test('a run takes no file that holds something, and one that measured nothing leaves none that does', async () => {
  const file = written([FULL], 'complete');
  const before = readFileSync(file, 'utf8');
  expect(() => new Recorder(INFO, file)).toThrow(
    new InputError(`${file} holds something already; give another name, or delete it.`),
  );
  expect(readFileSync(file, 'utf8')).toBe(before);
  const empty = temporary();
  new Recorder(INFO, empty).end('interrupted');
  expect(readFileSync(empty, 'utf8')).toBe('');
  expect(() => new Recorder(INFO, empty).end('interrupted')).not.toThrow();
});

test('a file that cannot be written', () => {
  expect(() => new Recorder(INFO, '/nowhere/run.ndjson')).toThrow(
    new InputError(
      'Cannot write /nowhere/run.ndjson (ENOENT); is there such a folder, with room, and may you write to it?',
    ),
  );
});
