import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { findFiles } from '../src/parts.js';
import { takeSample } from '../src/sample.js';
import { Bucket } from './bucket.js';

/** What a plan takes from files, by their names below `in/`. */
async function sampled(contents: Record<string, string | Buffer>, wanted: { text?: string; id?: string } = {}) {
  const bucket = new Bucket();
  for (const [name, content] of Object.entries(contents)) bucket.put(`in/${name}`, content);
  const { files } = await findFiles(bucket.account, { bucket: 'b', prefix: 'in/' });
  return takeSample(bucket.account, 'b', files, wanted);
}

test('documents are counted by their lines, whatever ends them, and the field of the text is found', async () => {
  const lines = ['{"id":1,"text":"Paris"}', '{"id":2,"text":"Łódź 🎉"}'];
  for (const body of [lines.join('\n'), `\uFEFF${lines.join('\r\n')}\r\n`, `\n${lines.join('\n\n')}\n`]) {
    for (const [name, content] of [['a.jsonl', body] as const, ['a.jsonl.gz', gzipSync(body)] as const]) {
      expect(await sampled({ [name]: content })).toEqual({
        ...{ fields: { text: 'text', id: null }, documents: 2, characters: 5 + 7 },
      });
    }
  }
  expect(await sampled({ 'a.csv': 'id;body\r\n1;Paris\r\n' })).toMatchObject({
    fields: { text: 'body' },
    documents: 1,
  });
});

test('a bad first line, or a file without documents, hides no field of the others', async () => {
  const good = '{"id":1,"body":"Paris"}\n';
  for (const first of ['{"id":0}\n', '{\n', '["a"]\n', '']) {
    const found = await sampled({ 'a.csv': 'id,text\n', 'b.jsonl': `${first}${good}` });
    expect(found.fields).toEqual({ text: 'body', id: null });
  }
});

test('a document that is longer than the first look is looked at', async () => {
  const line = JSON.stringify({ text: 'x'.repeat(300_000) });
  const { documents, characters } = await sampled({ 'a.jsonl': `${line}\n`.repeat(20) });
  expect(documents).toBeGreaterThan(14);
  expect(documents).toBeLessThan(26);
  expect(characters / documents).toBeCloseTo(300_000, -5);
});

test('a field that nobody can know, or that nobody has, is one sentence', async () => {
  const two = { 'a.jsonl': '{"title":"a","body":"b"}\n' };
  await expect(sampled(two)).rejects.toThrow('s3://b/in/a.jsonl has no field or column "text"; name the one');
  await expect(sampled(two, { text: 'bdoy' })).rejects.toThrow('has no field or column "bdoy"; name the one');
  expect((await sampled(two, { text: 'body' })).characters).toBe(1);
  await expect(sampled({ 'a.csv': 'text\n' })).rejects.toThrow('s3://b/in/a.csv holds no document.');
});
