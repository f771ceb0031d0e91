import { expect, test } from 'vitest';
import { cut, type File, findFiles, lengthOf, partBytes } from '../src/parts.js';
import { start } from '../src/run.js';
import { Bucket } from './bucket.js';

const file = (name: string, size: number): File => {
  const [, format = 'jsonl', gz] = /\.(jsonl|csv|tsv)(\.gz)?$/.exec(name) ?? [];
  return { key: `in/${name}`, name, etag: '"a"', size, format: format as File['format'], gzip: gz !== undefined };
};

test('a file of JSON Lines is cut into ranges that cover it, and others are not cut', () => {
  const parts = cut([file('a.jsonl', 25), file('b.jsonl.gz', 25), file('c.csv', 25), file('d.jsonl', 10)], 10);
  expect(parts.map(({ name, start, end }) => [name, start, end])).toEqual([
    ['a.jsonl', 0, 10],
    ['a.jsonl', 10, 20],
    ['a.jsonl', 20, 25],
    ['b.jsonl.gz', 0, null],
    ['c.csv', 0, null],
    ['d.jsonl', 0, 10],
  ]);
  expect(parts.map(lengthOf)).toEqual([10, 10, 5, 25, 25, 10]);
});

test('parts are such that every environment has several, and none is tiny or huge', () => {
  expect(partBytes([file('a.jsonl', 400e6)], 20)).toBe(5e6);
  expect(partBytes([file('a.jsonl', 1000)], 20)).toBe(2 ** 20);
  expect(partBytes([file('a.jsonl', 51e9)], 20)).toBe(32 * 2 ** 20);
});

test('files are those with documents by their names; books of an earlier run, and what is empty, are none', async () => {
  const bucket = new Bucket();
  for (const name of ['a.JSONL', 'b/c.ndjson.gz', 'd.tsv', 'e.parquet', '_batch/trial/f.jsonl'])
    bucket.put(`in/${name}`, 'x');
  bucket.put('in/empty.jsonl', '');
  const { files, others } = await findFiles(bucket.account, { bucket: 'b', prefix: 'in/' });
  expect(files.map(({ name, format, gzip }) => [name, format, gzip])).toEqual([
    ['a.JSONL', 'jsonl', false],
    ['b/c.ndjson.gz', 'jsonl', true],
    ['d.tsv', 'tsv', false],
  ]);
  expect(others).toBe(2);
});

test.each([
  ['s3://company/', 'out/'],
  ['s3://company/docs', 'docs-out/'],
  ['s3://company/out/docs/', 'out/'],
])('documents in %s and records in %s: nothing is started', async (input, prefix) => {
  const bucket = new Bucket();
  bucket.put('docs/a.jsonl', '{"text":"Paris"}\n');
  const machine = {
    arn: 'arn:aws:states:eu-west-1:1:stateMachine:m',
    region: 'eu-west-1',
    concurrency: 5,
    bucket: 'company',
  };
  const output = { bucket: 'company', prefix };
  await expect(start(bucket.account, machine, { input, output, offsets: 'utf-16' })).rejects.toThrow(
    'are one in the other: records would be read as documents; give another --out.',
  );
  expect([...bucket.objects.keys()]).toEqual(['docs/a.jsonl']);
});
