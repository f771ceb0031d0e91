import { expect, test } from 'vitest';
import { Follower } from '../src/status.js';
import { Bucket } from './bucket.js';

const ARN = 'arn:aws:states:eu-west-1:1:stateMachine:m';
const OUT = { bucket: 'b', prefix: 'out/' };
const NAMES = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.jsonl`);

/** An output whose run has these parts, and of which nothing is done. */
function begun(): Bucket {
  const bucket = new Bucket();
  const part = { etag: '"e"', size: 9, format: 'jsonl', gzip: false, start: 0, end: 9 };
  const work = { in: { bucket: 'b' }, out: OUT, fields: { text: 'text', id: null }, offsets: 'utf-16' };
  const execution = { arn: ARN.replace('stateMachine', 'execution'), id: 'x', parts: NAMES.length };
  const run = { input: 's3://b/in/', stateMachine: ARN, work, partBytes: 9, documents: 5, characters: 5 };
  bucket.put('out/_batch/run.json', JSON.stringify({ ...run, executions: [execution] }));
  bucket.put('out/_batch/parts.json', JSON.stringify(NAMES.map((name) => ({ ...part, key: `in/${name}`, name }))));
  return bucket;
}

test('a part that was given up says why, whatever is in its note', async () => {
  const bucket = begun();
  bucket.execution = { status: 'FAILED', startDate: new Date(0), stopDate: new Date(9000), error: 'States.Exceeded' };
  const notes = [
    { failure: { Error: 'PartError', Cause: JSON.stringify({ errorMessage: 's3://b/in/a.jsonl is gone.' }) } },
    JSON.stringify({ failure: { Error: 'Lambda.Unknown', Cause: 'The cause could not be determined' } }),
    { failure: { Error: 'States.Timeout' } },
    { failure: { Error: 'PartError', Cause: '{}' } },
    {},
  ];
  for (const [at, name] of NAMES.entries()) bucket.put(`out/_batch/x/failed/${name}/0.json`, JSON.stringify(notes[at]));
  const status = await new Follower(bucket.account, OUT).look();
  expect(status).toMatchObject({ state: 'FAILED', error: 'States.Exceeded', parts: { all: 5, done: 0, failed: 5 } });
  expect(status.pricesOf).toBe('eu-west-1');
  expect(status.failed.map(({ reason }) => reason)).toEqual([
    's3://b/in/a.jsonl is gone.',
    'Lambda.Unknown: The cause could not be determined',
    'States.Timeout',
    '{}',
    'its note cannot be read',
  ]);
});

test('books that are cut or of another version are one sentence', async () => {
  for (const [book, content] of [
    ['run.json', '{"input":'],
    ['run.json', '{"input":"s3://b/in/"}'],
    ['parts.json', '[{"key":"in/a.jsonl"}]'],
  ] as const) {
    const bucket = begun();
    bucket.put(`out/_batch/${book}`, content);
    await expect(new Follower(bucket.account, OUT).look()).rejects.toThrow(
      `s3://b/out/_batch/${book} is damaged, or of another version; give another --out.`,
    );
  }
  await expect(new Follower(new Bucket().account, OUT).look()).rejects.toThrow('s3://b/out/ holds no batch; start one');
});
