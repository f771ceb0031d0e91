import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DocumentsError, type ReadOptions, readDocuments, type SourceDocument } from '../src/files/documents.js';
import { checkedInput, type Input, readEntries } from '../src/files/entries.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'documents-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(files: Record<string, string | Buffer>, options?: ReadOptions) {
  const paths: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    paths.push(join(folder, name));
    await writeFile(join(folder, name), content);
  }
  return readPaths(paths, options);
}

/** What was read before the end or the error; folders are cut from names. */
async function readPaths(paths: string[], options?: ReadOptions) {
  const documents: SourceDocument[] = [];
  const short = (text: string) => text.replaceAll(`${folder}/`, '');
  try {
    for await (const document of readDocuments(paths, options)) {
      documents.push({ ...document, source: short(document.source) });
    }
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentsError);
    return { documents, error: short((error as Error).message) };
  }
  return { documents, error: undefined };
}

describe('documents', () => {
  it('are read from files of every kind, in order', async () => {
    const { documents, error } = await read({
      'a.txt': 'Ada\r\nLovelace\n',
      'b.jsonl': '{"id":7,"text":"Bob"}\n\n{"text":"","id":"x"}',
      'c.csv': 'id,text\n1,"Eve, ""the\nlistener"""\n2,Zoë\n',
      'D.TXT': 'Dan',
    });
    expect(error).toBeUndefined();
    expect(documents).toEqual([
      { source: 'a.txt', text: 'Ada\r\nLovelace\n' },
      { source: 'b.jsonl', line: 1, id: 7, text: 'Bob' },
      { source: 'b.jsonl', line: 3, id: 'x', text: '' },
      { source: 'c.csv', line: 3, id: '1', text: 'Eve, "the\nlistener"' },
      { source: 'c.csv', line: 4, id: '2', text: 'Zoë' },
      { source: 'D.TXT', text: 'Dan' },
    ]);
  });

  it('lose a byte order mark and no other character', async () => {
    const { documents } = await read({
      'bom.txt': '\uFEFFAda \uFEFF\n\uFEFFx',
      'bom.jsonl': '\uFEFF{"text":"Ada"}',
      'bom.csv': '\uFEFFtext\r\nAda\r\n',
    });
    expect(documents.map(({ text }) => text)).toEqual(['Ada \uFEFF\n\uFEFFx', 'Ada', 'Ada']);
  });

  it('survive characters that chunks of the file cut', async () => {
    const text = `${'😀'.repeat(100_000)}\n`;
    const lines = Array.from({ length: 3 }, () => JSON.stringify({ text })).join('\n');
    const { documents } = await read({ 'big.txt': `x${text}`, 'big.jsonl': lines, 'big.csv': `text\n"y${text}"\n` });
    expect(documents.map((document) => document.text)).toEqual([`x${text}`, text, text, text, `y${text}`]);
  });

  it('take the only other field or column, or the one that is named', async () => {
    const { documents } = await read({ 'one.jsonl': '{"id":"1","n":5,"body":"Ada"}', 'one.csv': 'id,body\n1,Bob\n' });
    expect(documents.map(({ text }) => text)).toEqual(['Ada', 'Bob']);
    const both = { 'two.jsonl': '{"title":"T","body":"Ada"}', 'two.csv': 'title,body\nT,Bob\n' };
    expect((await read(both, { textField: 'body' })).documents.map(({ text }) => text)).toEqual(['Ada', 'Bob']);
  });

  it('have their columns separated as the header is', async () => {
    const { documents, error } = await read({
      'semicolon.csv': 'id;text\n1;"Ada; Bob, Eve"\n2;a, b\n',
      'tab.csv': 'id\ttext\n1\tAda, Bob; Eve\n',
      'comma.csv': '"a;b;c;d", text\n1,Ada; Bob\n',
      'one.csv': 'text\nAda; Bob\n',
    });
    expect(error).toBeUndefined();
    expect(documents.map(({ text }) => text)).toEqual([
      'Ada; Bob, Eve',
      'a, b',
      'Ada, Bob; Eve',
      'Ada; Bob',
      'Ada; Bob',
    ]);
  });

  it('are read as the format says, whatever the file is called', async () => {
    const { documents } = await read({ 'log.1': '{"text":"Ada"}\n' }, { format: 'jsonl' });
    expect(documents).toEqual([{ source: 'log.1', line: 1, text: 'Ada' }]);
  });
});

describe('the id', () => {
  it('is that of the named field or column', async () => {
    const files = { 'k.jsonl': '{"key":"k1","id":2,"text":"Ada"}', 'k.csv': 'id,key,text\n3,k2,Bob\n' };
    const { documents } = await read(files, { idField: 'key' });
    expect(documents.map(({ id }) => id)).toEqual(['k1', 'k2']);
    expect((await read({ 'm.jsonl': files['k.jsonl'] }, { idField: 'kay' })).error).toBe(
      'm.jsonl line 1 has no field "kay"; its fields are: key, id, text',
    );
    expect((await read({ 'm.csv': files['k.csv'] }, { idField: 'kay' })).error).toBe(
      'm.csv has no column "kay"; its columns are: id, key, text',
    );
  });
});

describe('the field "text"', () => {
  it.each([
    ['{"text":null,"title":"Ada"}', 'line 1 has no string in the field "text" but null'],
    ['{"text":{},"title":"Ada"}', 'line 1 has no string in the field "text" but object'],
    ['{"text":"x"}\n{"title":"Ada"}', 'line 2 has no field "text"; its fields are: title'],
    [
      '{"title":"x"}\n{"text":"Bob","title":"T"}',
      'line 2 has a field "text", and those before it have not; name the one that holds the text (--text-field)',
    ],
  ])('of %s is never passed over for another', async (content, sentence) => {
    const { documents, error } = await read({ 'f.jsonl': content });
    expect(documents.map(({ text }) => text)).toEqual(content.includes('"x"') ? ['x'] : []);
    expect(error).toBe(`f.jsonl ${sentence}`);
  });

  it('may be there beside the one that is named', async () => {
    const { documents } = await read({ 'f.jsonl': '{"b":"Ada"}\n{"b":"Bob","text":null}' }, { textField: 'b' });
    expect(documents.map(({ text }) => text)).toEqual(['Ada', 'Bob']);
  });
});

describe('a CSV without a header', () => {
  const sentence = (field: string) =>
    `f.csv has no column "${field}", and its first line does not look like a header; add one, e.g. id,text, or name a column of it (--text-field)`;
  it.each([
    'Ada Lovelace lived in London.\nBob\n',
    'Ada Lovelace lived in London.',
    '1,Ada\n2,Bob\n',
    'Ada,ada@example.com\n',
    `${'x'.repeat(41)}\nBob\n`,
    'Ada,born 1815;in London\n',
  ])('%j loses no document and shows none', async (content) => {
    expect(await read({ 'f.csv': content })).toEqual({ documents: [], error: sentence('text') });
    expect(await read({ 'f.csv': content }, { textField: 'body' })).toEqual({ documents: [], error: sentence('body') });
  });

  it('is no other than one whose column of blanks is named', async () => {
    const { documents } = await read({ 'f.csv': 'no,Full text\n1,Ada\n' }, { textField: 'Full text' });
    expect(documents).toMatchObject([{ text: 'Ada' }]);
  });
});

describe('entries', () => {
  /** `line text` or `line error` of each, and the bytes up to it. */
  async function entriesOf(files: Record<string, string | Buffer>, options: ReadOptions = {}) {
    const inputs: Input[] = [];
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content);
      inputs.push(await checkedInput(join(folder, name), options.format));
    }
    const found: string[] = [];
    let read = 0;
    for await (const entry of readEntries(inputs, options)) {
      expect(entry.read).toBeGreaterThanOrEqual(read);
      read = entry.read;
      const words = 'error' in entry ? entry.error.message.replaceAll(`${folder}/`, '') : entry.text;
      found.push(`${entry.line ?? ''} ${words}`.trim());
    }
    return { found, share: read / inputs.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) };
  }

  it('have only the fields that are written there', async () => {
    const { found } = await entriesOf({ 'f.jsonl': '{"toString":"a"}\n{"b":"c"}' }, { textField: 'toString' });
    expect(found).toEqual(['1 a', '2 f.jsonl line 2 has no field "toString"; its fields are: b']);
  });

  it('go on after a record and after a file that cannot be read, and count every byte', async () => {
    expect(
      await entriesOf({
        'e1.txt': Buffer.from('Zo\xeb', 'latin1'),
        'e2.jsonl': Buffer.from(
          '{"text":"a"}\n{"text":\n[]\n{"text":"Zo\xeb"}\n{"no":"x"}\n{"text":1}\n\n{"text":"b"}',
          'latin1',
        ),
        'e3.csv': Buffer.from('id,text\n1,a\n2,b,c\n3\n4,Zo\xeb\n5,"d\nd"\n6,"e', 'latin1'),
        'e4.txt': '',
        'e5.txt': 'end',
      }),
    ).toEqual({
      found: [
        'e1.txt line 1 is not UTF-8; convert the file first, e.g. with iconv',
        '1 a',
        '2 e2.jsonl line 2 is not valid JSON',
        '3 e2.jsonl line 3 is not a JSON object, such as {"text": "…"}',
        '4 e2.jsonl line 4 is not UTF-8; convert the file first, e.g. with iconv',
        '5 e2.jsonl line 5 has no field "text"; its fields are: no',
        '6 e2.jsonl line 6 has no string in the field "text" but number',
        '8 b',
        '2 a',
        '3 e3.csv line 3 is not valid CSV: the header has 2 fields, and this row 3',
        '4 e3.csv line 4 is not valid CSV: the header has 2 fields, and this row 1',
        '5 e3.csv line 5 is not UTF-8; convert the file first, e.g. with iconv',
        '7 d\nd',
        '8 e3.csv line 8 is not valid CSV: a quote is not closed, or not doubled',
        'e4.txt is empty: it holds no document',
        'end',
      ],
      share: 1,
    });
  });

  it('stop at what an option can mend', async () => {
    const mixed = { 's1.jsonl': '{"text":"a"}', 's2.jsonl': '{"a":"x","b":"y"}' };
    await expect(entriesOf(mixed)).rejects.toThrow('name the one that holds the text (--text-field)');
  });

  it('know lines by LF, CRLF and a mixture', async () => {
    const { found } = await entriesOf({ 'crlf.csv': 'text\r\na\r\nb\r\n', 'mixed.csv': 'text\na\r\nb\n' });
    expect(found).toEqual(['2 a', '3 b', '2 a', '3 b']);
  });
});

describe('bad input', () => {
  it('shows no field that does not look like a name, and no control character', async () => {
    const keys = '{"Ada Lovelace":"a","ada@example.com":"b","body":"c","\\u001b[2J":"d"}';
    expect((await read({ 'keys.jsonl': keys })).error).toContain('several others: body; name');
    expect((await read({ 'a\u001b[2J\n.jsonl': '[' })).error).toBe('a\uFFFD[2J\uFFFD.jsonl line 1 is not valid JSON');
    expect((await read({ 'k.jsonl': '{"a":"b"}' }, { textField: '\u001b[2J' })).error).toContain('"\uFFFD[2J"');
  });

  it.each<[Record<string, string | Buffer>, string]>([
    [{ 'empty.txt': '' }, 'empty.txt is empty: it holds no document'],
    [{ 'empty.txt': '\uFEFF' }, 'empty.txt is empty: it holds no document'],
    [{ 'empty.jsonl': '\n\n' }, 'empty.jsonl is empty: it holds no document'],
    [{ 'empty.csv': 'text\n' }, 'empty.csv is empty: it holds no document'],
    [
      { 'latin.csv': Buffer.from('text,Zo\xeb\nAda,x\n', 'latin1') },
      'latin.csv line 1 is not UTF-8; convert the file first, e.g. with iconv',
    ],
    [
      { 'id.jsonl': '{"id":1234567890123456789,"text":"Ada"}' },
      'id.jsonl line 1 has an id over 2^53, which is not read exactly; make it a string',
    ],
    [
      { 'id.jsonl': '{"id":{"$numberLong":1e999},"text":"Ada"}' },
      'id.jsonl line 1 has an id over 2^53, which is not read exactly; make it a string',
    ],
    [
      { 'id.jsonl': `{"id":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)},"text":"Ada"}` },
      'id.jsonl line 1 has an id of more than 100 objects within each other; make it a string',
    ],
    [
      { 'cut.txt': Buffer.from('Zoë').subarray(0, 3) },
      'cut.txt line 1 is not UTF-8; convert the file first, e.g. with iconv',
    ],
    [{ 'array.jsonl': '["Ada"]' }, 'array.jsonl line 1 is not a JSON object, such as {"text": "…"}'],
    [
      { 'many.jsonl': '{"title":"a","body":"b","n":1}' },
      'many.jsonl line 1 has no field "text" and several others: title, body; name the one that holds the text (--text-field)',
    ],
    [
      { 'none.jsonl': '{"n":1}' },
      'none.jsonl line 1 has no field "text" nor any other with text; name the one that holds the text (--text-field)',
    ],
    [
      { 'many.csv': 'id,title,body\n1,a,b\n' },
      'many.csv has no field "text" and several others: title, body; name the one that holds the text (--text-field)',
    ],
    [
      { 'notes.md': 'Ada' },
      'notes.md is not a .txt, .jsonl, .json, .csv or .tsv file; say how to read it with --format',
    ],
  ])('%j', async (files, sentence) => {
    expect(await read(files)).toEqual({ documents: [], error: sentence });
  });

  it('names the line, after the documents before it, and quotes no text', async () => {
    const jsonl = await read({ 'broken.jsonl': '{"text":"Ada"}\n{"text":"Bob"}\n{"text":"Eve' });
    expect(jsonl).toMatchObject({ documents: [{}, {}], error: 'broken.jsonl line 3 is not valid JSON' });
    const field = await read({ 'gap.jsonl': '{"text":"Ada"}\n{"id":1,"txt":"Bob"}' });
    expect(field.documents).toHaveLength(1);
    expect(field.error).toBe('gap.jsonl line 2 has no field "text"; its fields are: id, txt');
    const columns = await read({ 'wide.csv': 'text\nAda\nBob,Eve\n' });
    expect(columns.documents).toHaveLength(1);
    expect(columns.error).toMatch(/^wide\.csv line 3 is not valid CSV: /);
    const latin = await read({ 'latin2.csv': Buffer.from('text\nAda\nZo\xeb\n', 'latin1') });
    expect(latin.documents).toHaveLength(1);
    expect(latin.error).toBe('latin2.csv line 3 is not UTF-8; convert the file first, e.g. with iconv');
    const quote = await read({ 'open.csv': 'text\nAda\n"Eve\n' });
    expect(quote.error).toMatch(/^open\.csv line \d is not valid CSV: a quote is not closed, or not doubled$/);
  });

  it('that can be told before the first document is told then', async () => {
    await writeFile(join(folder, 'fine.txt'), 'Ada');
    const fine = join(folder, 'fine.txt');
    expect(await readPaths([fine, join(folder, 'gone.txt')])).toEqual({
      documents: [],
      error: 'there is no file gone.txt; check the path',
    });
    await mkdir(join(folder, 'letters'));
    expect(await readPaths([fine, join(folder, 'letters')])).toEqual({
      documents: [],
      error: 'letters is a directory; name the files in it, e.g. letters/*.txt',
    });
    expect(await readPaths([fine], { format: 'xml' as never })).toEqual({
      documents: [],
      error: 'the format is one of txt, jsonl, json, csv, tsv, not xml',
    });
  });

  it('without the named field lists those there are', async () => {
    expect(await read({ 'f.csv': 'id,body\n1,Ada\n' }, { textField: 'boddy' })).toEqual({
      documents: [],
      error: 'f.csv has no column "boddy"; its columns are: id, body',
    });
  });
});
