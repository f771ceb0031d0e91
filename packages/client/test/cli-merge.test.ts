import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { extract, inFolder } from './cli-run.js';
import { MODEL, served, startGateway } from './gateway.js';

const { path, write, read, run } = inFolder();

/** Shards of a run over 20 documents in two files, the 7th of which cannot be read. */
async function shards(
  gateway: Awaited<ReturnType<typeof startGateway>>,
  count: number,
  out = 'jsonl',
  ...args: string[]
) {
  await write(
    'a.jsonl',
    Array.from({ length: 11 }, (_, i) => (i === 6 ? '{\n' : `{"id":${i},"text":"Ada ${i}"}\n`)).join(''),
  );
  await write('b.csv', `id,text\n${Array.from({ length: 9 }, (_, i) => `b${i},Bob ${i}\n`).join('')}`);
  const names = Array.from({ length: count }, (_, i) => `out-${i + 1}.${out}`);
  for (const [i, name] of names.entries()) {
    await run(extract(gateway, 'a.jsonl', 'b.csv', '--shard', `${i + 1}/${count}`, '--out', name, ...args));
  }
  return names;
}

describe('burst-ner merge', () => {
  it.each([
    [1, 'jsonl'],
    [3, 'jsonl'],
    [7, 'csv'],
    [11, 'jsonl'],
  ])('makes of %d shards in %s what one process writes', async (count, format) => {
    await using gateway = await startGateway();
    const names = await shards(gateway, count, format);
    expect(gateway.received.flatMap(({ texts }) => texts)).toHaveLength(19); // each document once
    const whole = await run(extract(gateway, 'a.jsonl', 'b.csv', '--out', `whole.${format}`));
    expect(whole.code).toBe(1);
    const merged = await run(['merge', ...names.reverse(), '--out', `all.${format}`]);
    expect(merged).toMatchObject({ code: 1, stderr: `burst-ner: merged ${count} shards: 20 documents, 1 failed\n` });
    expect(await read(`all.${format}`)).toBe(await read(`whole.${format}`));
    expect(await read(`all.${format}.run`)).toBe(await read(`whole.${format}.run`));
    const again = await run(extract(gateway, 'a.jsonl', 'b.csv', '--out', `all.${format}`));
    expect(again.stderr).toContain('nothing to do: 20 documents done before, 1 of them failed');
  });

  it('takes what was done again of a shard, though not all that failed in it', async () => {
    await using gateway = await startGateway();
    const [one = '', two = ''] = await shards(gateway, 2);
    const before = (await read(one)).split('\n');
    const failed = before.findIndex((line) => line.includes('"error"'));
    const { error: _, ...origin } = JSON.parse(before[failed] ?? '');
    const mended = JSON.stringify({ ...origin, id: 6, entities: [], hash: '0' });
    await write(`${one}.part`, `${mended}\n{"source":`);
    expect(await run(['merge', one, two, '--out', 'all.jsonl'])).toMatchObject({ code: 0 });
    expect((await read('all.jsonl')).split('\n')[6]).toBe(mended);
  });

  it('leaves nothing in the place of its output when it is killed half-way, and can be run again', async () => {
    await using gateway = await startGateway();
    const [one = '', two = ''] = await shards(gateway, 2);
    await rename(path(two), path('kept'));
    execFileSync('mkfifo', [path(two)]);
    let child: ChildProcess | undefined;
    const merging = run(['merge', one, two, '--out', 'all.jsonl'], {
      onStart: (started) => {
        child = started;
      },
    });
    const fifo = await open(path(two), 'w'); // waits until merge reads of it
    child?.kill('SIGKILL');
    await merging;
    await fifo.close();
    expect(existsSync(path('all.jsonl'))).toBe(false);
    await rename(path('kept'), path(two));
    expect((await run(['merge', one, two, '--out', 'all.jsonl'])).stderr).toBe(
      'burst-ner: merged 2 shards: 20 documents, 1 failed\n',
    );
  });

  it('tells of a run file that cannot be read', async () => {
    await mkdir(path('x.run'));
    const { code, stderr } = await run(['merge', 'x', '--out', 'all.jsonl']);
    expect([code, stderr]).toEqual([2, 'burst-ner: x.run cannot be read (EISDIR)\n']);
  });

  it('refuses shards that are not those of one run, all of them and whole', async () => {
    let model = MODEL;
    await using gateway = await startGateway(({ texts }) => served(texts, (body) => ({ ...body, model })));
    const [one = '', two = '', three = ''] = await shards(gateway, 3);
    const refusal = async (...args: string[]) => {
      const { code, stderr } = await run(['merge', ...args, '--out', 'all.jsonl']);
      expect([code, existsSync(path('all.jsonl'))]).toEqual([2, false]);
      return stderr;
    };
    expect(await refusal(one, three)).toBe('burst-ner: missing of 3 shards: 2/3\n');
    expect(await refusal(one, two, three, two)).toBe(`burst-ner: ${two} is the shard 2/3, and so is ${two}\n`);
    await run(extract(gateway, 'a.jsonl', '--out', 'alone.jsonl'));
    expect(await refusal('alone.jsonl')).toBe('burst-ner: alone.jsonl is no shard: it was written without --shard\n');
    await run(extract(gateway, 'a.jsonl', '--out', 'other.jsonl', '--shard', '2/3'));
    expect(await refusal(one, 'other.jsonl', three)).toBe(
      `burst-ner: other.jsonl is not of the same run as ${one}: its input 2 was b.csv, and now is not there\n`,
    );
    const whole = await read(two);
    await write(two, whole.slice(0, -2));
    expect(await refusal(one, two, three)).toBe(`burst-ner: ${two} ends before document 20 of 20; run it again\n`);
    await write(two, `${whole}${whole.split('\n')[0]}\n`);
    expect(await refusal(one, two, three)).toBe(`burst-ner: ${two} holds more than its run did; run it again\n`);
    model = { ...MODEL, digest: 'sha256:ff' };
    await rm(path(two));
    await run(extract(gateway, 'a.jsonl', 'b.csv', '--out', two, '--shard', '2/3'));
    expect(await refusal(one, two, three)).toMatch(
      /the model is now en_test\/1\.0\.0\/sha256:ff, and all\.jsonl is by/,
    );
    await rename(path(`${two}.run`), path('gone'));
    expect(await refusal(one, two, three)).toBe(
      `burst-ner: ${two}.run is not there; copy it along with ${two}, which it tells of\n`,
    );
  });

  it('never writes over a file, and leaves a shard that was broken off alone', async () => {
    await using gateway = await startGateway();
    const names = await shards(gateway, 2);
    await write('all.jsonl', 'precious');
    expect(await run(['merge', ...names, '--out', 'all.jsonl'])).toMatchObject({
      code: 2,
      stderr: 'burst-ner: all.jsonl is there already; it stays as it is: name another with --out\n',
    });
    expect(await read('all.jsonl')).toBe('precious');
    const { documents: _, ...begun } = JSON.parse(await read('out-2.jsonl.run'));
    await write('out-2.jsonl.run', JSON.stringify(begun));
    expect((await run(['merge', ...names, '--out', 'x.jsonl'])).stderr).toBe(
      'burst-ner: out-2.jsonl is not complete; run its shard again\n',
    );
  });
});
