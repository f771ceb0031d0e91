import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeAll } from '../src/collect.js';
import type { Part } from '../src/parts.js';
import { Output, type Records } from '../src/records.js';
import { Bucket } from './bucket.js';

const OUT = { bucket: 'b', prefix: 'out/' };
const part = (more: Partial<Part> = {}): Part => ({
  ...{ key: 'in/a.jsonl', name: 'a.jsonl', etag: '"e"', size: 9, format: 'jsonl', gzip: false, start: 0, end: 9 },
  ...more,
});
const name = (start: number) => `out/a.jsonl/${String(start).padStart(15, '0')}.jsonl`;
const chain = async (bucket: Bucket, one = part()) => (await new Output(bucket.account, OUT).of([one]))[0];

test('a part is done when its objects follow one another to its end', async () => {
  const bucket = new Bucket();
  bucket.putRecords(name(0), 'a\n', { next: '4', done: '0' });
  expect(await chain(bucket)).toMatchObject({ done: false, objects: [{ next: 4 }] });
  bucket.putRecords(name(4), 'b\n', { next: '9' });
  expect(await chain(bucket)).toMatchObject({ done: true, objects: [{ key: name(0) }, { key: name(4) }] });
});

test('what is of an earlier file, or has lost its metadata, is not taken for the part’s', async () => {
  const bucket = new Bucket();
  bucket.putRecords(name(0), 'a\n');
  expect(await chain(bucket, part({ etag: '"later"' }))).toMatchObject({ done: false, objects: [] });
  bucket.put(name(0), 'a\n');
  expect(await chain(bucket)).toMatchObject({ done: false, objects: [] });
  // Nor does one that leads nowhere hold up whoever follows it.
  bucket.putRecords(name(0), 'a\n', { next: '0', done: '0' });
  expect(await chain(bucket)).toMatchObject({ done: false });
});

/** Two objects of a thousand lines, and what a file holds when they are collected. */
function collecting() {
  const bucket = new Bucket();
  const lines = Array.from({ length: 1000 }, (_, line) => `{"line":${line}}\n`).join('');
  for (const start of [0, 4]) bucket.putRecords(name(start), lines);
  const objects = [0, 4].map((start) => ({ key: name(start) }) as Records);
  const folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-batch-'));
  const collect = (to: string) => writeAll(bucket.account, 'b', objects, to);
  return { bucket, folder, lines: lines + lines, collect };
}

test('a connection that ends early is taken up where it was', async () => {
  const { bucket, folder, lines, collect } = collecting();
  bucket.broken = (key, from) => (key === name(4) && from < 9000 ? 1000 : undefined);
  const to = path.join(folder, 'all.jsonl');
  await collect(to);
  expect(readFileSync(to, 'utf8')).toBe(lines);
  bucket.broken = () => 0;
  writeFileSync(to, 'yesterday');
  await expect(collect(to)).rejects.toThrow(`s3://b/${name(0)} cannot be read to its end (ECONNRESET); collect again.`);
  expect(readFileSync(to, 'utf8')).toBe('yesterday');
  expect(readdirSync(folder)).toEqual(['all.jsonl']);
});

test('a place that takes no file, or has no room, is one sentence; a device is written to and stays', async () => {
  const { folder, collect } = collecting();
  await expect(collect(path.join(folder, 'no/such.jsonl'))).rejects.toThrow('cannot be written (ENOENT); make room');
  await expect(collect(folder)).rejects.toThrow(`${folder} cannot be written (EISDIR)`);
  const device = path.join(folder, 'null');
  symlinkSync('/dev/null', device);
  await collect(device);
  if (existsSync('/dev/full')) {
    const full = path.join(folder, 'full');
    symlinkSync('/dev/full', full);
    await expect(collect(full)).rejects.toThrow(`${full} cannot be written (ENOSPC)`);
  }
  expect(readdirSync(folder).filter((one) => one.endsWith('.part'))).toEqual([]);
});
