import { expect, test } from 'vitest';
import { cut, type File, lengthOf, partBytes } from '../src/parts.js';

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
