import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkedInput, readEntries } from '../src/files/entries.js';
import type { FieldOptions } from '../src/files/fields.js';
import { readRows } from '../src/files/rows.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kinds-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** `id text` of each document, or the sentence of what cannot be read. */
async function read(name: string, content: string | Buffer, options: FieldOptions = {}): Promise<string[]> {
  await writeFile(join(folder, name), content);
  const found: string[] = [];
  for await (const entry of readEntries([await checkedInput(join(folder, name), undefined)], options)) {
    if ('error' in entry) found.push(`! ${entry.error.message.replaceAll(`${folder}/`, '')}`);
    else found.push(`${typeof entry.id === 'object' ? JSON.stringify(entry.id) : (entry.id ?? '')} ${entry.text}`);
  }
  return found;
}

describe('a table as programs write it', () => {
  it.each<[string, string, string | Buffer, string[]]>([
    ['Excel, CSV UTF-8', 'a.csv', '\uFEFFid;text\r\n1;"a ""b"" c"\r\n2;"x;\ny"\r\n', ['1 a "b" c', '2 x;\ny']],
    ['Excel, with its own separator line', 'a.csv', 'sep=;\r\nid;text\r\n1;a, b\r\n', ['1 a, b']],
    ['Excel, Unicode Text', 'a.tsv', Buffer.from('\uFEFFid\ttext\r\n1\t"Zoë ""Z"""\r\n', 'utf16le'), ['1 Zoë "Z"']],
    ['Excel, UTF-16 of the other order', 'a.csv', Buffer.from('\uFEFFid,text\n1,Zoë', 'utf16le').swap16(), ['1 Zoë']],
    ['Excel for the Mac of old', 'a.csv', 'id,text\r1,"a\rb"\r2,c\r', ['1 a\rb', '2 c']],
    [
      'Excel, rows that end by separators',
      'a.csv',
      'id,text\n1,a,,\n2,b,\n3,c,d\n',
      ['1 a', '2 b', '! a.csv line 4 is not valid CSV: the header has 2 fields, and this row 3'],
    ],
    [
      'Google Sheets, TSV: no quoting at all',
      'a.tsv',
      'id\ttext\n1\t"Hi," she said\n2\t5" disk\n3\t"x\n4\ty"\n',
      ['1 "Hi," she said', '2 5" disk', '3 "x', '4 y"'],
    ],
    ['pandas, with its index', 'a.csv', ',text\n0,"a, b"\n1,c\n', [' a, b', ' c']],
    [
      'pandas, with escapechar',
      'a.csv',
      'id,text\n1,"a \\"b\\""\n2,"\\"c\\", d"\n3,e\n',
      ['1 a "b"', '2 "c", d', '3 e'],
    ],
    ['pandas, a space after each comma', 'a.csv', 'id, text\n1, "a, b"\n2, c\n', ['1 a, b', '2  c']],
    [
      'MySQL, OUTFILE',
      'a.csv',
      '"id","text"\n"1","a \\"b\\""\n"2","c\\\\"\n"3","d\\\ne"\n',
      ['1 a "b"', '2 c\\\\', '3 d\\\ne'],
    ],
    ['MySQL, --batch', 'a.tsv', 'id\ttext\n1\tsaid "hi"\n2\t"a" or "b"\n', ['1 said "hi"', '2 "a" or "b"']],
    ['Postgres, COPY CSV', 'a.csv', 'id,text\n1,"a ""b""\n"\n2,""\n3,\n', ['1 a "b"\n', '2 ', '3 ']],
    ['Postgres, COPY text', 'a.tsv', 'id\ttext\n1\ta "b\n2\t\\N\n', ['1 a "b', '2 \\N']],
    ['mongoexport, CSV', 'a.csv', '_id,text\nObjectId(507f),Ada\n', ['ObjectId(507f) Ada']],
    ['a path that ends by a backslash', 'a.csv', 'id,text\n1,"C:\\dir\\"\n2,"x"\n', ['1 C:\\dir\\', '2 x']],
    [
      'somebody who quotes without doubling',
      'a.csv',
      'id,text\n1,"a 5" disk"\n2,"b" c\n3,d"\n',
      ['1 a 5" disk', '2 "b" c', '3 d"'],
    ],
    [
      'a title in quotes before the rest',
      'a.csv',
      'text,id\n"Ulysses" by Joyce,1\n"A, B" by C,2\n',
      ['1 "Ulysses" by Joyce', '! a.csv line 3 is not valid CSV: a quote is not closed, or not doubled'],
    ],
    ['a lone CR in a cell of a file with LF', 'a.csv', 'id,text\n1,a\rb\n2,"c\rd"\r\n', ['1 a\rb', '2 c\rd']],
    ['LibreOffice, its separator line in quotes', 'a.csv', '"sep=;"\r\nid;text\r\n1;a, b\r\n', ['1 a, b']],
    ['somebody who separates by bars', 'a.csv', 'id|text\n1|a, b\n', ['1 a, b']],
    ['anybody, gzipped', 'a.csv.gz', gzipSync('id,text\n1,a\n'), ['1 a']],
    ['anybody, gzipped in parts', 'a.csv.gz', Buffer.concat([gzipSync('id,text\n1,'), gzipSync('a\n')]), ['1 a']],
  ])('%s', async (_, name, content, found) => {
    expect(await read(name, content)).toEqual(found);
  });

  it('loses one row to a quote that is never closed, or is closed rows later', async () => {
    const rows = (stray: string) => `id,text\n1,a\n${stray}\n3,"b ""c"""\n4,d\n`;
    const damaged = '! a.csv line 3 is not valid CSV: a quote is not closed, or not doubled';
    expect(await read('a.csv', rows('2,"x'))).toEqual(['1 a', damaged, '3 b "c"', '4 d']);
    expect(await read('a.csv', 'id,text\n1,"a\n2,b\n3,c\n')).toEqual([damaged.replace('3', '2'), '2 b', '3 c']);
    // Whole, but not of this table: nobody can tell which of the lines is to blame, so all are told.
    expect(await read('a.csv', 'id,text\n1,"a\n2,b",c\n3,d\n')).toEqual([
      '! a.csv line 3 is not valid CSV: the header has 2 fields, and this row 3 (it begins at line 2)',
      '3 d',
    ]);
  });

  it('is read to its end when no quote is closed', async () => {
    const found = await read('a.csv', `id,text\n${'1,"x\n'.repeat(20_000)}`);
    expect(found).toHaveLength(20_000);
  });

  it('comes back from any writer that doubles quotes', () => {
    const cell = fc.string({ unit: fc.constantFrom(...'",\\; \n\rab\t|é😀') });
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1 }),
        fc.constantFrom(',', ';', '\t', '|'),
        async (rows, delimiter) => {
          // Excel quotes a cell that holds both a tab and a line break, and means it; most TSV means no quoting at all.
          fc.pre(delimiter !== '\t' || !rows.flat().some((text) => /\t/.test(text) && /\n/.test(text)));
          const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
          const text = rows.map((row) => row.map(quote).join(delimiter)).join('\r\n');
          await writeFile(join(folder, 'any.csv'), `"a"${delimiter}"b"\r\n${text}`);
          const found: unknown[] = [];
          for await (const { cells, problem } of readRows(join(folder, 'any.csv'))) found.push(problem ?? cells);
          expect(found.slice(1)).toEqual(rows);
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('JSON as programs write it', () => {
  const [one, two] = ['{"id":1,"text":"a ]}\\" b"}', '{"id":2,"text":"c"}'];
  it.each<[string, string, string | Buffer, string[]]>([
    ['an array on one line', 'a.json', `[${one},${two}]`, ['1 a ]}" b', '2 c']],
    ['an array with a mark of its byte order', 'a.json', `\uFEFF [${one}]\n`, ['1 a ]}" b']],
    [
      'an array, pretty',
      'a.json',
      JSON.stringify(
        [
          { id: 1, text: 'a', more: [{ x: [] }] },
          { id: 2, text: 'b' },
        ],
        null,
        2,
      ),
      ['1 a', '2 b'],
    ],
    ['objects on lines, called .json', 'a.json', `${one}\n${two}\n`, ['1 a ]}" b', '2 c']],
    ['objects one after another', 'a.json', `${one} ${two}`, ['1 a ]}" b', '2 c']],
    ['two arrays, put together', 'a.json', `[${one}]\n\uFEFF[${two},\n${one}]`, ['1 a ]}" b', '2 c', '1 a ]}" b']],
    ['lines of two files with a mark each', 'a.jsonl', `\uFEFF${one}\n\uFEFF${two}\n`, ['1 a ]}" b', '2 c']],
    [
      'ids of any kind',
      'a.jsonl',
      '{"id":true,"text":"a"}\n{"id":["x",1],"text":"b"}\n{"id":null,"text":"c"}\n{"id":0,"text":"d"}\n',
      ['true a', '["x",1] b', ' c', '0 d'],
    ],
    ['one object, pretty', 'a.json', JSON.stringify({ id: 1, text: 'a' }, null, 2), ['1 a']],
    ['.ndjson', 'a.ndjson', `${one}\r\n${two}\r\n`, ['1 a ]}" b', '2 c']],
    ['gzip', 'a.jsonl.gz', gzipSync(`${one}\n`), ['1 a ]}" b']],
    ['UTF-16', 'a.json', Buffer.from(`\uFEFF[${one}]`, 'utf16le'), ['1 a ]}" b']],
    [
      'mongoexport',
      'a.json',
      '{"_id":{"$oid":"507f"},"text":"a"}\n{"_id":"x","text":"b"}\n',
      ['{"$oid":"507f"} a', 'x b'],
    ],
    ['nothing in an array', 'a.json', '[]', ['! a.json is empty: it holds no document']],
    [
      'other things in an array',
      'a.json',
      `[1, "x", null ,[2],${two}]`,
      [1, 2, 3, 4].map((n) => `! a.json item ${n} is not a JSON object, such as {"text": "…"}`).concat('2 c'),
    ],
    [
      'an array that ends too early',
      'a.json',
      `[${two},`,
      ['2 c', '! a.json item 2 is missing: the array is not closed'],
    ],
    [
      'an object that ends too early',
      'a.json',
      `[${two},{"id":3,"te`,
      ['2 c', '! a.json item 2 is not valid JSON, and nobody can tell where it ends: 11 bytes are passed over'],
    ],
    [
      'what closes nothing',
      'a.json',
      `${two}]}${two}`,
      ['2 c', '! a.json item 2 is not valid JSON', '! a.json item 3 is not valid JSON', '2 c'],
    ],
    [
      'a quote too many',
      'a.json',
      `[\n${two},\n{"id":"3"","text":"x"},\n${two},\n${one}\n]`,
      [
        '2 c',
        '! a.json item 2 is not valid JSON, and nobody can tell where it ends: 24 bytes are passed over',
        '2 c',
        '1 a ]}" b',
      ],
    ],
    [
      'a line break in a string',
      'a.json',
      `[{"text":"a\nb {"},\n${two},{"text":"\n"},${one}]`,
      ['! a.json item 1 is not valid JSON', '2 c', '! a.json item 3 is not valid JSON', '1 a ]}" b'],
    ],
    [
      'a bracket too few',
      'a.json',
      `${two}\n{"id":3,"text":"x"\n${two}\n`,
      ['2 c', '! a.json item 2 is not valid JSON, and nobody can tell where it ends: 19 bytes are passed over', '2 c'],
    ],
    [
      'an item that is not UTF-8',
      'a.json',
      Buffer.from(`[{"text":"Zo\xeb"},${two}]`, 'latin1'),
      ['! a.json item 1 is not UTF-8; convert the file first, e.g. with iconv', '2 c'],
    ],
  ])('%s', async (_, name, content, found) => {
    expect(await read(name, content)).toEqual(found);
  });

  it('is the same however the file is cut into chunks', async () => {
    const items = Array.from({ length: 30_000 }, (_, id) => ({ id, text: `é "${'x'.repeat(id % 50)}\\` }));
    const expected = items.map(({ id, text }) => `${id} ${text}`);
    expect(await read('a.json', JSON.stringify(items))).toEqual(expected);
    expect(await read('a.json', JSON.stringify(items, null, 1))).toEqual(expected);
  });
});

const utf32 = (text: string) => Buffer.from(Uint32Array.from(text, (it) => it.codePointAt(0) ?? 0).buffer);

describe('a file that is not what its name says', () => {
  it.each<[string, Buffer, string]>([
    [
      'bare.txt',
      Buffer.from('Ada', 'utf16le'),
      'bare.txt looks like UTF-16LE without a byte order mark; convert the file first: iconv -f UTF-16LE -t UTF-8',
    ],
    [
      'bare.csv',
      Buffer.from('id,text', 'utf16le').swap16(),
      'bare.csv looks like UTF-16BE without a byte order mark; convert the file first: iconv -f UTF-16BE -t UTF-8',
    ],
    [
      'book.csv',
      Buffer.from('PK\x03\x04...'),
      'book.csv is a zip archive or an Excel workbook; unpack it, or save it as CSV',
    ],
    [
      'table.jsonl',
      Buffer.from('PAR1....'),
      'table.jsonl is a Parquet file; write it as JSON Lines first, e.g. with DuckDB or pandas',
    ],
    ['x.jsonl.gz', gzipSync('{"text":"a"}\n'.repeat(9)).subarray(0, 20), 'x.jsonl.gz ends too early'],
    ['twice.txt.gz', gzipSync(gzipSync('Ada')), 'twice.txt.gz is compressed by gzip twice; unpack it once'],
    [
      'half.txt',
      Buffer.from('\uFEFFAda', 'utf16le').subarray(0, 7),
      'half.txt ends in the middle of a character; is it whole?',
    ],
    [
      'wide.txt',
      utf32('\uFEFFAda'),
      'wide.txt looks like UTF-32LE; convert the file first: iconv -f UTF-32LE -t UTF-8',
    ],
    [
      'bare.jsonl',
      utf32('{"text":"a"}'),
      'bare.jsonl looks like UTF-32LE; convert the file first: iconv -f UTF-32LE -t UTF-8',
    ],
    [
      'swap.csv',
      utf32('\uFEFFid,text').swap32(),
      'swap.csv looks like UTF-32BE; convert the file first: iconv -f UTF-32BE -t UTF-8',
    ],
  ])('%s is one failure', async (name, content, sentence) => {
    expect(await read(name, content)).toEqual([`! ${sentence}`]);
  });

  it.runIf(existsSync('/proc/self/fd'))('is not left open', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    for (let i = 0; i < 20; i++) await read('table.jsonl', 'PAR1....');
    await setImmediate();
    expect(open()).toBeLessThan(before + 10);
  });

  it('breaks off where it is damaged, and says after how many documents', async () => {
    const many = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `{"text":"${Math.sin(i)}"}\n`).join(''));
    const found = await read('x.jsonl.gz', gzipSync(many).subarray(0, 200_000));
    expect(found.length).toBeGreaterThan(1000);
    expect(found.at(-1)).toBe(
      `! x.jsonl.gz ends too early after ${found.length - 1} documents; the rest of it is not done`,
    );
  });
});
