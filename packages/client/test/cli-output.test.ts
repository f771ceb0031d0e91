import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { csv } from '../src/cli/csv.js';
import { jsonl } from '../src/cli/jsonl.js';
import { lock } from '../src/cli/lock.js';
import { OutputFile, readDone } from '../src/cli/output.js';
import type { OutputRecord } from '../src/cli/record.js';
import type { Entry } from '../src/files/entries.js';

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

const model = 'en_test/1.0.0/0123456789ab';
const entity = (text: string, start: number) => ({ text, label: 'NAME', start, end: start + text.length });

/** Documents, and what was written of them. */
const entries: Entry[] = [
  { source: 'a.txt', text: 'Zoë, "the\nlistener" 😀 =Bob', read: 40 },
  { source: 'b.jsonl', line: 1, id: 7, text: 'nobody', read: 60 },
  { source: 'b.jsonl', line: 2, id: '=x', text: 'y', read: 70 },
  { source: 'c.csv', line: 2, id: '', text: 'Ada and Eve', read: 99 },
];
const records: OutputRecord[] = [
  { source: 'a.txt', entities: [entity('Zoë, "the\nlistener"', 0), entity('=Bob', 23)], model },
  { source: 'b.jsonl', line: 1, id: 7, entities: [], model },
  { source: 'b.jsonl', line: 2, id: '=x', error: { code: 'too_large', message: 'it: is, "long"' } },
  { source: 'c.csv', line: 2, id: '', entities: [entity('Ada', 0), entity('Eve', 8)], model },
];
const formats = [['jsonl', jsonl] as const, ['csv', csv] as const];

async function* each<T>(items: T[]): AsyncGenerator<T, void, undefined> {
  yield* items;
}

async function written(format = jsonl): Promise<string> {
  const file = await OutputFile.open(out, format);
  for (const record of records) file.write(record);
  await file.close();
  return readFile(out, 'utf8');
}

describe.each(formats)('an output in %s', (_, format) => {
  it('is read again as it was written, with the byte at which each record ends', async () => {
    const bytes = Buffer.from(await written(format));
    let done = 0;
    for await (const { record, end } of format.read(out)) {
      const expected = records[done++];
      // CSV knows no numbers, and no empty id.
      expect(record).toEqual(
        format === jsonl
          ? expected
          : { ...expected, ...(expected?.id === 7 && { id: '7' }), ...(expected?.id === '' && { id: undefined }) },
      );
      const upTo = bytes.subarray(0, end).toString();
      expect(upTo).toBe(format.header + records.slice(0, done).map(format.toText).join(''));
    }
    expect(done).toBe(records.length);
    const { documents, failed, read, end } = await readDone(out, format, each(entries));
    expect({ documents, failed, read, end }).toEqual({ documents: 4, failed: 1, read: 99, end: bytes.length });
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
    for (let at = 0; at <= whole.length; at++) {
      await writeFile(out, whole.subarray(0, at));
      const rest = each(entries);
      const done = await readDone(out, format, rest);
      const documents = ends.filter((end) => end <= at).length;
      expect([at, done.documents, done.end]).toEqual([at, documents, ends[documents - 1] ?? 0]);
      if (at % 16 > 0) continue;
      const file = await OutputFile.open(out, format);
      file.cut(done.end);
      for (let i = documents; i < records.length; i++) file.write(records[i] as OutputRecord);
      await file.close();
      expect(Buffer.compare(await readFile(out), whole)).toBe(0);
    }
  });

  it.each<[string, (entries: Entry[]) => unknown]>([
    ['a text', (all) => all.splice(0, 1, { ...(all[0] as Entry), text: ' Zoë' } as Entry)],
    ['an id', (all) => all.splice(1, 1, { ...(all[1] as Entry), id: 8 } as Entry)],
    ['a line', (all) => all.splice(2, 1, { ...(all[2] as Entry), line: 3 })],
    ['a file', (all) => all.splice(3, 1, { ...(all[3] as Entry), source: 'd.csv' })],
    ['the order', (all) => all.splice(1, 2, all[2] as Entry, all[1] as Entry)],
    ['the number', (all) => all.pop()],
    [
      'what can be read',
      (all) => all.splice(1, 1, { source: 'b.jsonl', line: 1, error: new Error('x'), read: 60 } as Entry),
    ],
  ])('is refused, and stays, when %s of the inputs has changed', async (_, change) => {
    const before = await written(format);
    const others = [...entries];
    change(others);
    await expect(readDone(out, format, each(others))).rejects.toThrow(
      /document \d of .* is not what the inputs have there now/,
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
    await expect(readDone(out, format, each(entries))).rejects.toThrow(
      /line \d is not what this program writes; the file stays/,
    );
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
        const record = { source: source.toWellFormed(), id: id.toWellFormed(), entities, model };
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
  const holder = `
    import { createServer } from 'node:net';
    createServer(() => {}).listen(process.argv[1], () => console.log('held'));
  `;
  // The socket of a file is what macOS has; it is there on Linux too.
  it.each(['linux', 'darwin'] as const)('of %s is held by one process, and free after kill -9', async (platform) => {
    await writeFile(out, '');
    const found = await stat(out, { bigint: true });
    const name = `burst-ner-${found.dev}-${found.ino}`;
    const address = platform === 'linux' ? `\\0${name}` : join(tmpdir(), name);
    const code = holder.replace('process.argv[1]', `'${address}'`);
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(await lock(found, platform)).toBeUndefined();
    child.kill('SIGKILL');
    await once(child, 'close');
    const held = await lock(found, platform);
    expect(held).toBeDefined();
    expect(await lock(found, platform)).toBeUndefined();
    held?.close();
  });
});
