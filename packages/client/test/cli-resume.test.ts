import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink, truncate } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { killAndResume } from '../../../bench/client/cli.mjs';
import { extract, inFolder } from './cli-run.js';
import { KEY, MODEL, served, startGateway } from './gateway.js';

const { path, write, read, lines, run } = inFolder();
const documents = (count: number) =>
  Array.from({ length: count }, (_, i) => `{"id":${i},"text":"Ada ${i}"}\n`).join('');
const another = { ...MODEL, digest: 'sha256:ff' };
const description = (model: object) => ({
  model,
  labels: ['NAME'],
  limits: { max_body_bytes: 1e6, max_texts: 1000, max_characters: 250_000, max_text_characters: 40_000 },
});

/** An output of the first 10 of 20 documents. */
async function half(gateway: Awaited<ReturnType<typeof startGateway>>, out = 'out.jsonl') {
  await write('d.jsonl', documents(10));
  expect((await run(extract(gateway, 'd.jsonl', '--out', out))).code).toBe(0);
  await write('d.jsonl', documents(20));
  gateway.received.length = 0;
  return read(out);
}

describe('burst-ner extract, run again', () => {
  it.each(['out.jsonl', 'out.csv'])('goes on where %s ends, and does nothing when it is complete', async (out) => {
    await using gateway = await startGateway();
    const before = await half(gateway, out);
    // A torn record: half of the last one is still there.
    await truncate(path(out), Buffer.byteLength(before) - 20);
    const rest = await run(extract(gateway, 'd.jsonl', '--out', out));
    expect(rest).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/ 11 documents done, .*; 9 done before, 0 of/),
    });
    expect(gateway.received.flatMap(({ texts }) => texts)).toEqual(
      Array.from({ length: 11 }, (_, i) => `Ada ${i + 9}`),
    );
    const whole = await run(extract(gateway, 'd.jsonl', '--out', `whole-${out}`));
    expect(whole.code).toBe(0);
    expect(await read(out)).toBe(await read(`whole-${out}`));
    const asked = gateway.asked.length;
    const again = await run(extract(gateway, 'd.jsonl', '--out', out));
    expect(again).toMatchObject({
      code: 0,
      stderr: 'burst-ner: nothing to do: 20 documents done before, 0 of them failed\n',
    });
    expect([gateway.received.length, gateway.asked.length]).toEqual([2, asked]);
  });

  it('exits 1 while the output has failed documents', async () => {
    await using gateway = await startGateway();
    await write('d.jsonl', '{"text":"Ada"}\n{"text":\n');
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl');
    expect((await run(args)).code).toBe(1);
    expect(await run(args)).toMatchObject({ code: 1, stderr: expect.stringContaining('1 of them failed') });
  });

  it.each(['killed.jsonl', 'killed.csv'])(
    'after kill -9 at random points leaves %s as if it had run once',
    async (out) => {
      await using gateway = await startGateway();
      const found = await killAndResume({
        folder: dirname(path(out)),
        url: gateway.url,
        key: KEY,
        kills: 5,
        seed: 9,
        out,
      });
      expect(found).toMatchObject({ kills: 5, lost: 0, twice: 0, whole: true });
    },
  );

  it('after kill -9 while failed documents are done again leaves the output as if none had failed', async () => {
    const seen = new Map<string, number>();
    // The first time is the run that is not killed.
    const failsAt = (text: string) => (Number(/\d+/.exec(text)) % 5 === 0 ? 2 : 0);
    await using gateway = await startGateway(({ texts }) =>
      served(texts, ({ results, model }) => ({
        results: results.map((result, i) => {
          const text = texts[i] ?? '';
          seen.set(text, (seen.get(text) ?? 0) + 1);
          return seen.get(text) === failsAt(text) ? { error: 'Not now.', code: 'internal' } : result;
        }),
        model,
      })),
    );
    const folder = dirname(path('failing.jsonl'));
    const found = await killAndResume({ folder, url: gateway.url, key: KEY, kills: 5, seed: 3, out: 'failing.jsonl' });
    expect(found).toMatchObject({ kills: 5, lost: 0, twice: 0, whole: true });
    expect(existsSync(path('failing.jsonl.part'))).toBe(false);
  });

  it('is refused when the inputs have changed, and loses nothing', async () => {
    await using gateway = await startGateway();
    const before = await half(gateway);
    await write('d.jsonl', documents(20).replace('Ada 3', 'Eve 3'));
    const { code, stderr } = await run(extract(gateway, 'd.jsonl', '--out', 'out.jsonl'));
    expect(stderr).toBe(
      'burst-ner: document 4 of out.jsonl (d.jsonl line 4) has another text in the inputs now; ' +
        'name the same inputs as before, unchanged and in the same order, or another file with --out\n',
    );
    expect([code, await read('out.jsonl'), gateway.received]).toEqual([2, before, []]);
  });

  it.each([true, false])('with another model is refused, and goes on when it may (with /model: %s)', async (told) => {
    let model = MODEL;
    await using gateway = await startGateway(({ texts }) => served(texts, (body) => ({ ...body, model })));
    const before = await half(gateway);
    model = another;
    if (told) gateway.model = description(another);
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl');
    const refused = await run(args);
    expect(refused.stderr).toMatch(
      /^burst-ner: the model is now en_test\/1\.0\.0\/sha256:ff, and out\.jsonl is by en_test\/1\.0\.0\/sha256:00; .*--allow-model-change\n$/,
    );
    expect([refused.code, await read('out.jsonl')]).toEqual([2, before]);
    expect(gateway.received).toHaveLength(told ? 0 : 1);
    expect((await run([...args, '--allow-model-change'])).code).toBe(0);
    expect((await lines('out.jsonl')).map((line) => line['model'])).toEqual([
      ...Array(10).fill('en_test/1.0.0/sha256:00'),
      ...Array(10).fill('en_test/1.0.0/sha256:ff'),
    ]);
  });

  it('stops before it mixes models that change while it runs', async () => {
    await using gateway = await startGateway(({ texts }, n) =>
      served(texts, (body) => ({ ...body, model: n === 1 ? MODEL : another })),
    );
    await write('d.jsonl', documents(1000));
    const { code } = await run(extract(gateway, 'd.jsonl', '--concurrency', '1', '--out', 'out.jsonl'));
    expect(code).toBe(2);
    expect(new Set((await lines('out.jsonl')).map((line) => line['model']))).toEqual(
      new Set(['en_test/1.0.0/sha256:00']),
    );
  });

  it('is refused while another process writes to the output', async () => {
    let child: ChildProcess | undefined;
    let waiting = () => {};
    const held = new Promise<void>((resolve) => {
      waiting = resolve;
    });
    let answers = false;
    await using gateway = await startGateway(() => {
      waiting();
      return answers ? undefined : () => {};
    });
    await write('d.jsonl', documents(10));
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl');
    const first = run(args, {
      onStart: (started) => {
        child = started;
      },
    });
    await held;
    expect(await run(args)).toMatchObject({
      code: 2,
      stderr: `burst-ner: process ${child?.pid} on ${hostname()} writes to out.jsonl; wait for it, or name another file with --out\n`,
    });
    expect(existsSync(path('out.jsonl'))).toBe(true);
    child?.kill('SIGKILL');
    await first;
    answers = true;
    expect((await run(args)).code).toBe(0);
    expect([await lines('out.jsonl'), existsSync(path('out.jsonl.lock'))]).toEqual([
      expect.objectContaining({ length: 10 }),
      false,
    ]);
  });

  it('does failed documents again, in their place, and leaves them with --keep-failed', async () => {
    let fails = true;
    await using gateway = await startGateway(({ texts }) =>
      served(texts, (body) => ({
        ...body,
        results: body.results.map((it, i) =>
          fails && /[37]$/.test(texts[i] ?? '') ? { error: 'No.', code: 'x' } : it,
        ),
      })),
    );
    await write('d.jsonl', documents(20));
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl');
    expect((await run(args)).code).toBe(1);
    fails = false;
    gateway.received.length = 0;
    const kept = await run([...args, '--keep-failed']);
    expect(kept).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('20 documents done before, 4 of them failed'),
    });
    const again = await run(args);
    expect(again).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/4 documents done, 0 failed.*; 16 done before, 0/),
    });
    expect(gateway.received.flatMap(({ texts }) => texts)).toEqual(['Ada 3', 'Ada 7', 'Ada 13', 'Ada 17']);
    await run(extract(gateway, 'd.jsonl', '--out', 'whole.jsonl'));
    expect(await read('out.jsonl')).toBe(await read('whole.jsonl'));
  });

  it('does again what could not be read once its file is mended, and is refused with other options', async () => {
    await using gateway = await startGateway();
    await write('d.csv', 'id,text,body\n1,Ada,x\n2,Bob\n3,Eve,z\n');
    const args = extract(gateway, 'd.csv', '--out', 'out.jsonl');
    expect((await run(args)).code).toBe(1);
    await write('d.csv', 'id,text,body\n1,Ada,x\n2,Bob,y\n3,Eve,z\n');
    expect(await run([...args, '--text-field', 'body'])).toMatchObject({
      code: 2,
      stderr:
        'burst-ner: out.jsonl is of another run: --text-field was not given, and now is body; ' +
        'run it as before, or name another file with --out\n',
    });
    expect((await run(args)).code).toBe(0);
    expect((await lines('out.jsonl')).map(({ id, error }) => [id, error])).toEqual([
      ['1', undefined],
      ['2', undefined],
      ['3', undefined],
    ]);
  });

  it('goes on after the service was away for too long, with no document failed', async () => {
    let away = false;
    await using gateway = await startGateway((_, n) => {
      away ||= n === 2;
      return away ? { status: 503, headers: { 'retry-after': '7200' }, body: { message: 'maintenance' } } : undefined;
    });
    await write('d.jsonl', documents(2000));
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl', '--concurrency', '1');
    const stopped = await run(args);
    expect(stopped).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^burst-ner: .*503.*\nburst-ner: \d+ documents done, 0 failed/),
    });
    const before = await lines('out.jsonl');
    expect([before.length, before.some(({ error }) => error)]).toEqual([gateway.received[0]?.texts.length, false]);
    away = false;
    expect((await run(args)).code).toBe(0);
    expect((await lines('out.jsonl')).map(({ id }) => id)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  it('leaves what is the user’s after a wrong key', async () => {
    await using gateway = await startGateway();
    await write('d.jsonl', documents(1));
    await write('empty.jsonl', '');
    await write('target.jsonl', '');
    await symlink('target.jsonl', path('link.jsonl'));
    for (const out of ['empty.jsonl', 'link.jsonl', 'new.jsonl']) {
      const { code } = await run(extract(gateway, 'd.jsonl', '--out', out), { env: { NER_API_KEY: 'wrong' } });
      expect(code).toBe(2);
    }
    expect((await readdir(path('.'))).sort()).toEqual(['d.jsonl', 'empty.jsonl', 'link.jsonl', 'target.jsonl']);
  });
});

describe('an output that', () => {
  it('runs out of room keeps what was done, and the next run goes on', async () => {
    await using gateway = await startGateway();
    await write('d.jsonl', documents(1000));
    const args = extract(gateway, 'd.jsonl', '--out', 'out.jsonl');
    const full = await run(args, { shell: 'ulimit -f 32' }); // of 512 bytes
    expect(full).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^burst-ner: out\.jsonl cannot be written \(EFBIG\)/),
    });
    expect(full.stderr).toMatch(/\nburst-ner: \d+ documents done.*\n$/);
    expect(Buffer.byteLength(await read('out.jsonl'))).toBe(16 * 1024);
    expect((await run(args)).code).toBe(0);
    expect((await lines('out.jsonl')).map(({ id }) => id)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it.each(['loop.jsonl', `${'y'.repeat(300)}.jsonl`])('has a name that leads nowhere is told: %s', async (out) => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    await symlink('loop.jsonl', path('loop.jsonl'));
    const { code, stderr } = await run(extract(gateway, 'a.txt', '--out', out));
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^burst-ner: \S+ cannot be written \(E\w+\)\n$/)]);
  });

  it('has no room for its lock leaves none', async () => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    const full = await run(extract(gateway, 'a.txt', '--out', 'out.jsonl'), { shell: 'ulimit -f 0' });
    expect(full).toMatchObject({ code: 2, stderr: 'burst-ner: out.jsonl cannot be written (EFBIG)\n' });
    expect(await readdir(path('.'))).toEqual(['a.txt']);
  });

  it('is no plain file, or no output of this program, is refused and stays', async () => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    await write('mine.jsonl', '{"precious":1}');
    await mkdir(path('folder'));
    const sentences = await Promise.all(
      ['/dev/full', 'folder', 'mine.jsonl', '-'].map((out) => run(extract(gateway, 'a.txt', '--out', out))),
    );
    expect(sentences.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(sentences.map(({ stderr }) => stderr)).toEqual([
      'burst-ner: /dev/full is not a plain file; leave --out away to write to standard output\n',
      'burst-ner: folder is not a plain file; leave --out away to write to standard output\n',
      'burst-ner: mine.jsonl line 1 is not what this program writes; the file stays as it is: name another with --out\n',
      'burst-ner: - is not a plain file; leave --out away to write to standard output\n',
    ]);
    expect(await read('mine.jsonl')).toBe('{"precious":1}');
    expect(gateway.received).toEqual([]);
  });

  it.runIf(process.getuid?.() !== 0)('may not be written is told before anything is sent', async () => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    await write('out.jsonl', '');
    await chmod(path('out.jsonl'), 0o444);
    const { code, stderr } = await run(extract(gateway, 'a.txt', '--out', 'out.jsonl'));
    expect([code, stderr]).toEqual([2, 'burst-ner: out.jsonl cannot be written (EACCES)\n']);
  });

  it('is standard output on a full disk ends the run with one sentence', async () => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    const { code, stderr } = await run(extract(gateway, 'a.txt'), { shell: 'exec >/dev/full' });
    expect([code, stderr]).toEqual([
      2,
      'burst-ner: standard output cannot be written (ENOSPC); make room and run the same command again\n',
    ]);
  });
});
