import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { appendFile, chmod, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { csv } from '../src/cli/csv.js';
import { jsonl } from '../src/cli/jsonl.js';
import { Lock } from '../src/cli/lock.js';
import { OutputFile, type OutputOptions } from '../src/cli/output.js';
import { type OutputFormat, type OutputRecord, toRecord } from '../src/cli/record.js';
import type { Outcome } from '../src/document.js';
import { NerError } from '../src/errors.js';
import type { Entry } from '../src/files/entries.js';

/** What was brought to the disk, in order. */
const synced: string[] = [];
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const fsyncSync = (fd: number) => {
    synced.push(fs.fstatSync(fd).isDirectory() ? 'folder' : 'file');
    fs.fsyncSync(fd);
  };
  return { ...fs, fsyncSync };
});

let folder: string;
let out: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-output-'));
});
let n = 0;
beforeEach(() => {
  out = join(folder, `out-${n++}`);
});
afterAll(() => rm(folder, { recursive: true }));

const model = { name: 'en_test', version: '1.0.0', digest: '0123456789abcdef' };
const entity = (text: string, start: number) => ({ text, label: 'NAME', start, end: start + text.length });

/** Documents, and what was written of them. */
const entries: Entry[] = [
  { source: 'a.txt', text: 'Zoë, "the\nlistener" 😀 =Bob', read: 40 },
  { source: 'b.jsonl', line: 1, id: 7, text: 'nobody', read: 60 },
  { source: 'b.jsonl', line: 2, id: '=x', text: 'y', read: 70 },
  { source: 'c.csv', line: 2, id: { $oid: 'a"b' }, text: 'Ada and Eve', read: 99 },
];
const found = [
  [entity('Zoë, "the\nlistener"', 0), entity('=Bob', 23)],
  [],
  undefined,
  [entity('Ada', 0), entity('Eve', 8)],
];
const records = entries.map((document, index) => record(document, found[index]));
const formats = [['jsonl', jsonl] as const, ['csv', csv] as const];

/** @param entities of the document; undefined when it failed */
function record(document: Entry, entities: ReturnType<typeof entity>[] | undefined): OutputRecord {
  const error = new NerError('too_large', 'it: is, "long"');
  return toRecord(
    (entities
      ? { ok: true, index: 0, document, entities, model }
      : { ok: false, index: 0, document, error }) as Outcome<Entry>,
  );
}

async function* each<T>(items: T[]): AsyncGenerator<T, void, undefined> {
  yield* items;
}

const open = (format: OutputFormat, options: Partial<OutputOptions> = {}) =>
  OutputFile.open(out, {
    facts: { version: 1, inputs: ['a.txt', 'b.jsonl', 'c.csv'], outputFormat: format === csv ? 'csv' : 'jsonl' },
    format,
    keepFailed: true,
    allowModelChange: false,
    onFirst: async () => {},
    onWait: () => {},
    ...options,
  });

/**
 * Runs once, until it has done some documents.
 *
 * @returns the documents that were done, and not copied
 */
async function run(
  format: OutputFormat,
  options: Partial<OutputOptions> = {},
  most = Number.POSITIVE_INFINITY,
  inputs = entries,
  results = records,
) {
  const file = await open(format, options);
  const done: number[] = [];
  let documents: number | undefined;
  try {
    let broken = false;
    for await (const { again, ...entry } of file.todo(each(inputs))) {
      broken = done.length === most;
      if (broken) break;
      const number = entries.findIndex(({ source, line }) => source === entry.source && line === entry.line);
      await file.write(results[number] as OutputRecord, again);
      done.push(number);
    }
    if (!broken) documents = inputs.length;
  } finally {
    await file.close(documents);
  }
  return { done, before: file.before };
}

async function written(format = jsonl): Promise<string> {
  await run(format);
  return readFile(out, 'utf8');
}

describe.each(formats)('an output in %s', (_, format) => {
  it('is read again as it was written, with the byte at which each record ends', async () => {
    const bytes = Buffer.from(await written(format));
    let done = 0;
    for await (const { record, end } of format.read(out)) {
      const expected = records[done++];
      // CSV knows only words.
      const id = typeof expected?.id === 'object' ? JSON.stringify(expected.id) : String(expected?.id);
      expect(record).toEqual(format === jsonl || expected?.id === undefined ? expected : { ...expected, id });
      const upTo = bytes.subarray(0, end).toString();
      expect(upTo).toBe(format.header + records.slice(0, done).map(format.toText).join(''));
    }
    expect(done).toBe(records.length);
    expect(await run(format)).toEqual({ done: [], before: { documents: 4, failed: 1 } });
    expect(await readFile(out)).toEqual(bytes);
  });

  it('that is torn at any byte of any record goes on where the last whole one ends', async () => {
    const whole = Buffer.from(await written(format));
    const ends = records.map((_, i) =>
      Buffer.byteLength(
        format.header +
          records
            .slice(0, i + 1)
            .map(format.toText)
            .join(''),
      ),
    );
    for (let at = 0; at <= whole.length; at += 2) {
      await writeFile(out, whole.subarray(0, at));
      const documents = ends.filter((end) => end <= at).length;
      expect((await run(format)).done).toEqual([0, 1, 2, 3].slice(documents));
      expect(await readFile(out)).toEqual(whole);
    }
  });

  it.each<[string, string, (entries: Entry[]) => unknown]>([
    ['a text', 'text', (all) => all.splice(0, 1, { ...(all[0] as Entry), text: 'Zoë' } as Entry)],
    ['a text without entities', 'text', (all) => all.splice(1, 1, { ...(all[1] as Entry), text: 'none' } as Entry)],
    ['an id', 'id', (all) => all.splice(1, 1, { ...(all[1] as Entry), id: 8 } as Entry)],
    ['a line', 'line', (all) => all.splice(2, 1, { ...(all[2] as Entry), line: 3 })],
    ['a file', 'file', (all) => all.splice(3, 1, { ...(all[3] as Entry), source: 'd.csv' })],
    ['the order', 'line', (all) => all.splice(1, 2, all[2] as Entry, all[1] as Entry)],
    ['the number', 'place', (all) => all.pop()],
    [
      'what can be read',
      'text',
      (all) => all.splice(1, 1, { source: 'b.jsonl', line: 1, error: new Error('x'), read: 60 } as Entry),
    ],
  ])('is refused, and stays, when %s of the inputs has changed', async (_, what, change) => {
    const before = await written(format);
    const others = [...entries];
    change(others);
    await expect(run(format, {}, 9, others)).rejects.toThrow(
      new RegExp(`^document \\d of .* has another ${what} in the inputs now; name the same inputs`),
    );
    expect(await readFile(out, 'utf8')).toBe(before);
  });

  it.each([
    ['of another kind', 'precious'],
    ['of another kind, with lines', 'precious\nwords\n'],
    ['of other JSON', '{"a":1}\n'],
    ['of another CSV', 'id,text\n1,Ada\n'],
    ['of a later version', `${format.header}${format.toText(records[1] as OutputRecord).replace(/\n$/, ',"x"\n')}`],
    ['damaged in its middle', `${format.header}${format.toText(records[0] as OutputRecord)}\0\0\0\n`],
  ])('is refused when it is a file %s', async (_, content) => {
    await writeFile(out, content);
    await expect(run(format)).rejects.toThrow(/line \d is not what this program writes; the file stays/);
    expect(await readFile(out, 'utf8')).toBe(content);
  });

  it('has failed documents done again, and loses nothing whenever that is broken off', async () => {
    const mended = entries.map((entry, i) => record(entry, found[i] ?? []));
    const again = (most?: number) => run(format, { keepFailed: false }, most, entries, mended);
    const failed = [0, 2, 3];
    const text = (all: OutputRecord[]) => format.header + all.map(format.toText).join('');
    const before = text(
      entries.map((entry, i) => (failed.includes(i) ? record(entry, undefined) : mended[i]) as OutputRecord),
    );
    await written(format);
    for (const steps of [[], [0], [1], [2], [0, 0, 1], [1, 1, 1]]) {
      await writeFile(out, before);
      const done: number[] = [];
      for (const most of steps) {
        done.push(...(await again(most)).done);
        expect(await readFile(out, 'utf8')).toBe(done.length < 3 ? before : text(mended));
      }
      const part = await readFile(`${out}.part`).catch(() => '');
      done.push(...(await again()).done);
      expect([steps, done]).toEqual([steps, failed]);
      expect([await readFile(out, 'utf8'), existsSync(`${out}.part`)]).toEqual([text(mended), false]);
      // Killed once the new file has the old one's place, and before the part is gone.
      await writeFile(`${out}.part`, part);
      expect((await again()).done).toEqual([]);
      expect([await readFile(out, 'utf8'), existsSync(`${out}.part`)]).toEqual([text(mended), false]);
    }
  });
});

describe('an output', () => {
  it.each<[string, Partial<OutputOptions['facts']>]>([
    ['its input 2 was b.jsonl, and now is d.jsonl', { inputs: ['a.txt', 'd.jsonl', 'c.csv'] }],
    ['its input 3 was c.csv, and now is not there', { inputs: ['a.txt', 'b.jsonl'] }],
    ['--text-field was not given, and now is body', { textField: 'body' }],
    ['--id-field was not given, and now is key', { idField: 'key' }],
    ['--format was not given, and now is tsv', { format: 'tsv' }],
    ['--shard was not given, and now is 1/2', { shard: '1/2' }],
  ])('of another run is refused: %s', async (words, change) => {
    const before = await written();
    const facts = {
      version: 1 as const,
      inputs: ['a.txt', 'b.jsonl', 'c.csv'],
      outputFormat: 'jsonl' as const,
      ...change,
    };
    await expect(run(jsonl, { facts })).rejects.toThrow(`is of another run: ${words}; run it as before`);
    expect(await readFile(out, 'utf8')).toBe(before);
    // Without a word of what it is of, the records tell.
    await rm(`${out}.run`);
    expect((await run(jsonl, { facts })).done).toEqual([]);
  });

  it('tells before the first document that is to be done what was done before it', async () => {
    const told: unknown[] = [];
    await run(jsonl, {}, 2);
    await run(jsonl, { onFirst: async (...args) => void told.push(args) });
    await run(jsonl, { onFirst: async () => void told.push('none') });
    expect(told).toEqual([['en_test/1.0.0/0123456789ab', 60]]);
  });

  it('takes away what it made and nothing else', async () => {
    const nothing = () => run(jsonl, {}, 0);
    await nothing();
    expect([existsSync(out), existsSync(`${out}.run`), existsSync(`${out}.lock`)]).toEqual([false, false, false]);
    await writeFile(out, '');
    await nothing();
    expect(await readFile(out, 'utf8')).toBe('');
    const link = `${out}-link`;
    await symlink(out, link);
    out = link;
    await nothing();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    const whole = await written();
    await writeFile(out, jsonl.toText(record(entries[0] as Entry, undefined)));
    await run(jsonl, { keepFailed: false });
    expect([(await lstat(link)).isSymbolicLink(), await readFile(link, 'utf8')]).toEqual([true, whole]);
  });

  it('is by one model, also when failed documents before all others were done again', async () => {
    const before = records
      .slice(0, 2)
      .map((it, i) => jsonl.toText(i === 0 ? record(entries[0] as Entry, undefined) : it));
    await writeFile(out, before.join(''));
    const others = records.map((it) => ({ ...it, model: 'other' }));
    const again = () => run(jsonl, { keepFailed: false }, 9, entries.slice(0, 2), others);
    await expect(again()).rejects.toThrow(/the model is now other, and .* is by en_test/);
    await expect(again()).rejects.toThrow(/the model is now other, and .* is by en_test/);
    expect(await readFile(out, 'utf8')).toBe(before.join(''));
  });

  it('is for those alone who might read it before failed documents were done again', async () => {
    await writeFile(out, entries.map((entry) => jsonl.toText(record(entry, undefined))).join(''));
    await chmod(out, 0o640);
    await run(jsonl, { keepFailed: false }, 1);
    expect((await stat(`${out}.part`)).mode & 0o777).toBe(0o640);
    await run(jsonl, { keepFailed: false });
    expect((await stat(out)).mode & 0o777).toBe(0o640);
  });

  it('is let alone once another process has its lock', async () => {
    const whole = await written();
    const file = await open(jsonl);
    for await (const _ of file.todo(each(entries)));
    await writeFile(`${out}.lock`, '{}');
    await appendFile(out, 'of the other');
    vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ['Date'] });
    await expect(file.close(entries.length)).rejects.toThrow('another process writes to');
    vi.useRealTimers();
    expect(await readFile(out, 'utf8')).toBe(`${whole}of the other`);
  });

  it('leaves no half of a new file, and says in a sentence what went wrong at its end', async () => {
    await written();
    const file = await open(jsonl, { keepFailed: false });
    for await (const { again } of file.todo(each(entries))) await file.write(records[2] as OutputRecord, again);
    await appendFile(out, 'no record\n');
    await expect(file.close(entries.length)).rejects.toThrow('line 5 is not what this program writes');
    expect([existsSync(`${out}.part`), existsSync(`${out}.part.new`)]).toEqual([true, false]);
    await writeFile(out, records.map(jsonl.toText).join(''));
    await mkdir(`${out}.run.new`);
    await expect(run(jsonl)).rejects.toThrow(`${out} cannot be written (EISDIR)`);
  });

  it.runIf(process.platform !== 'win32')('is in its folder for good once it took another’s place', async () => {
    await writeFile(out, entries.map((entry) => jsonl.toText(record(entry, undefined))).join(''));
    synced.length = 0;
    await run(jsonl, { keepFailed: false });
    // The run file, then the output once failed documents were done again, then the run file at the end.
    expect(synced).toEqual(['folder', 'file', 'folder', 'file', 'folder']);
  });

  it.each(['run', 'part'])('is refused when another file stands in the place of its .%s', async (name) => {
    await written();
    await writeFile(`${out}.${name}`, 'precious');
    await expect(run(jsonl)).rejects.toThrow(`out-${n - 1}.${name}`);
    expect(await readFile(`${out}.${name}`, 'utf8')).toBe('precious');
  });
});

describe('CSV', () => {
  it('comes back whatever cells hold, and other readers get the same but for formulas', () => {
    const cell = fc.string({
      unit: fc.oneof(fc.constantFrom(...'",\'\n\r=+-@ \t;'), fc.string({ unit: 'binary', maxLength: 1 })),
    });
    return fc.assert(
      fc.asyncProperty(cell, cell, fc.array(fc.tuple(cell, fc.nat())), async (source, id, found) => {
        const entities = found.map(([text, start]) => entity(text.toWellFormed(), start));
        const record = { source: source.toWellFormed(), id: id.toWellFormed(), entities, model: 'm' };
        const text = csv.header + csv.toText(record);
        await writeFile(out, text);
        const { value: back } = await csv.read(out).next();
        expect({ id: '', ...back?.record }).toEqual(record);
        const rows = parse(text, { columns: true, relax_quotes: false }) as { text: string }[];
        const shown = (value: string) => (/^'*[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value);
        expect(rows.map((row) => row.text)).toEqual(entities.length > 0 ? entities.map((e) => shown(e.text)) : ['']);
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});

describe('the lock', () => {
  const take = (deadMs?: number) => Lock.take(out, (holder) => waited.push(holder), deadMs);
  let waited: string[] = [];
  beforeEach(() => {
    waited = [];
  });
  const holder = async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    return child;
  };

  it('is held by one, and free once that lets it go', async () => {
    const held = await take();
    expect(await take()).toBe(`process ${process.pid} on ${hostname()}`);
    if (typeof held !== 'string') held.release();
    expect(existsSync(out)).toBe(false);
    const again = await take();
    expect(again).toBeInstanceOf(Lock);
    if (typeof again !== 'string') again.release();
  });

  it('of a process that was killed is free at once, also when another has its number', async () => {
    const held = await take();
    const mine = JSON.parse(await readFile(out, 'utf8'));
    if (typeof held !== 'string') held.release();
    const child = await holder();
    const started = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(' ')[21];
    await writeFile(out, JSON.stringify({ ...mine, id: 'x', pid: child.pid, started }));
    expect(await take()).toBe(`process ${child.pid} on ${hostname()}`);
    await writeFile(out, JSON.stringify({ ...mine, id: 'x', pid: child.pid, started: '1' }));
    expect(await take(40)).toBeInstanceOf(Lock);
    await writeFile(out, JSON.stringify({ ...mine, id: 'x', pid: child.pid, started }));
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await take(40)).toBeInstanceOf(Lock);
    expect(waited).toEqual([]);
  });

  const elsewhere = { id: 'x', host: 'pod-3', pid: 7, started: '1', place: 'another' };

  it('of another host is watched, and refused when its heart beats', async () => {
    let beat = 0;
    const write = () => writeFileSync(out, JSON.stringify({ ...elsewhere, beat: beat++ }));
    write();
    const timer = setInterval(write, 20);
    expect(await take(2000)).toBe('process 7 on pod-3');
    clearInterval(timer);
    expect(waited).toEqual(['process 7 on pod-3']);
  });

  it.each(['', JSON.stringify(elsewhere)])('that stands still is taken by one of many: %j', async (content) => {
    await writeFile(out, content);
    const taken = await Promise.all(Array.from({ length: 5 }, () => take(200)));
    expect(taken.filter((it) => it instanceof Lock)).toHaveLength(1);
  });

  it('that cannot be read is said to be so', async () => {
    await mkdir(out);
    await expect(take()).rejects.toThrow('EISDIR');
  });

  it('whose place a link to nothing has is said to be so', async () => {
    await symlink('gone', out);
    await expect(take()).rejects.toThrow(`${out} is a link to nothing; remove it`);
  });

  it('is known to be lost once another has it', async () => {
    const held = (await take()) as Lock;
    expect(held.held).toBe(true);
    await writeFile(out, JSON.stringify(elsewhere));
    vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ['Date'] });
    expect(held.held).toBe(false);
    vi.useRealTimers();
    held.release();
    expect(existsSync(out)).toBe(true);
  });
});
