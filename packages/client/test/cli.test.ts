import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { python } from '../../../scripts/python.mjs';
import { extract, inFolder, jsonLines, PROGRAM } from './cli-run.js';
import { KEY, rateLimited, served, startGateway } from './gateway.js';

const { path, write, read, lines, run } = inFolder();
const MODEL_NAME = 'en_test/1.0.0/sha256:00';
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const many = (count: number) => Array.from({ length: count }, (_, i) => `{"text":"Ada ${i}"}\n`).join('');

describe('burst-ner extract', () => {
  it('writes a line for each document of each file, and a summary apart', async () => {
    await using gateway = await startGateway();
    await write('a.txt', '😀 Ada');
    await write('b.jsonl', '{"id":1,"text":"Bob"}\n{"id":"2","text":"nobody"}\n');
    const { code, stderr, stdout } = await run(extract(gateway, 'a.txt', 'b.jsonl'));
    const entities = [{ text: 'Bob', label: 'NAME', start: 0, end: 3 }];
    expect(jsonLines(stdout)).toEqual([
      {
        source: 'a.txt',
        entities: [{ text: 'Ada', label: 'NAME', start: 3, end: 6 }],
        model: MODEL_NAME,
        hash: hashOf('😀 Ada'),
      },
      { source: 'b.jsonl', line: 1, id: 1, entities, model: MODEL_NAME, hash: hashOf('Bob') },
      { source: 'b.jsonl', line: 2, id: '2', entities: [], model: MODEL_NAME, hash: hashOf('nobody') },
    ]);
    expect(stderr).toMatch(
      /^burst-ner: 3 documents done, 0 failed, 2 entities, 1 answer \(0 of them 429\), \d+\.\d s, en_test\/1\.0\.0\/sha256:00\n$/,
    );
    expect(code).toBe(0);
  });

  it('reads standard input, as text or as --format says, and the url from NER_URL', async () => {
    await using gateway = await startGateway();
    const env = { NER_API_KEY: KEY, NER_URL: gateway.url };
    const text = await run(['extract'], { env, stdin: 'Ada\nBob\n' });
    expect(jsonLines(text.stdout)).toMatchObject([{ source: '-', entities: [{ text: 'Ada' }, { text: 'Bob' }] }]);
    const args = ['extract', '-', '--format', 'csv', '--text-field', 'b', '--id-field', 'a'];
    const csv = await run(args, { env, stdin: 'a,b\nAda,Bob\n' });
    expect(jsonLines(csv.stdout)).toMatchObject([{ source: '-', line: 2, id: 'Ada', entities: [{ text: 'Bob' }] }]);
  });

  it('reads directories and quoted globs, and never its own output', async () => {
    await using gateway = await startGateway();
    await mkdir(path('notes'));
    for (const name of ['notes/b.txt', 'notes/a.jsonl', 'x.txt']) await write(name, '{"text":"Ada"}');
    for (const again of [false, true]) {
      const { code, stderr } = await run(extract(gateway, 'notes', '*.txt', '--out', 'notes/out.jsonl'));
      expect([code, stderr]).toEqual([0, expect.stringMatching(again ? /nothing to do/ : /3 documents done/)]);
    }
    const sources = (await lines('notes/out.jsonl')).map(({ source }) => source);
    expect(sources).toEqual(['notes/a.jsonl', 'notes/b.txt', 'x.txt']);
  });

  it('exits 1 when a document failed or could not be read, and writes why beside the others', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, ({ results, model }) => ({
        results: results.map((result, i) => (texts[i] === 'x' ? { error: 'Too much.', code: 'too_large' } : result)),
        model,
      })),
    );
    await write('a.jsonl', '{"text":"Ada"}\n{"text":"x"}\n{"text":\n{"text":"Bob"}\n');
    await write('b.txt', Buffer.from('Zo\xeb', 'latin1'));
    await write('c.txt', 'Eve');
    const { code, stderr, stdout } = await run(extract(gateway, 'a.jsonl', 'b.txt', 'c.txt'));
    expect(jsonLines(stdout)).toMatchObject([
      { line: 1, entities: [{}] },
      { line: 2, error: { code: 'too_large' } },
      { line: 3, error: { code: 'unreadable', message: 'a.jsonl line 3 is not valid JSON' } },
      { line: 4, entities: [{}] },
      { source: 'b.txt', error: { code: 'unreadable' } },
      { source: 'c.txt', entities: [{}] },
    ]);
    expect(gateway.received.flatMap(({ texts }) => texts)).toEqual(['Ada', 'x', 'Bob', 'Eve']);
    expect(stderr).toContain('3 documents done, 3 failed');
    expect(code).toBe(1);
  });

  it('writes CSV for spreadsheets: no cell of it is a formula', async () => {
    await using gateway = await startGateway(({ texts }) =>
      served(texts, ({ model }) => ({
        results: texts.map((text) => ({ entities: [{ text, label: 'X', start_char: 0, end_char: [...text].length }] })),
        model,
      })),
    );
    await write('a.csv', 'id,text\n-1,"=1+1, ""so"""\n2,Ada\n');
    expect((await run(extract(gateway, 'a.csv', '--out', 'out.csv'))).code).toBe(0);
    expect(await read('out.csv')).toBe(
      'source,line,id,entities,label,text,start,end,model,error,hash\n' +
        `a.csv,2,'-1,1,X,"'=1+1, ""so""",0,10,${MODEL_NAME},,${hashOf('=1+1, "so"')}\n` +
        `a.csv,3,2,1,X,Ada,0,3,${MODEL_NAME},,${hashOf('Ada')}\n`,
    );
    const { stdout } = await run(extract(gateway, 'a.csv', '--output-format', 'csv'));
    expect(stdout).toBe(await read('out.csv'));
  });

  it('--json ends with one object, whatever happens', async () => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    const args = extract(gateway, 'a.txt', '--json', '--out', 'out.jsonl');
    const done = await run(args);
    expect(JSON.parse(done.stdout)).toEqual({
      documents: 1,
      done: 1,
      failed: 0,
      before: { documents: 0, failed: 0 },
      entities: 1,
      answers: 1,
      limited: 0,
      seconds: expect.any(Number),
      model: MODEL_NAME,
    });
    const again = await run(args);
    expect(JSON.parse(again.stdout)).toMatchObject({ documents: 1, done: 0, before: { documents: 1, failed: 0 } });
    const stream = await run(extract(gateway, 'a.txt', '--json'));
    expect(JSON.parse(stream.stderr)).toMatchObject({ documents: 1 });
    const none = await run(extract(gateway, 'gone.txt', '--json', '--out', 'no.jsonl'));
    expect(JSON.parse(none.stdout)).toMatchObject({ documents: 0, error: 'there is no file gone.txt; check the path' });
    expect([done, again, stream, none].map(({ code }) => code)).toEqual([0, 0, 0, 2]);
  });

  it('--dry-run says what is to do, and without a key sends nothing', async () => {
    await using gateway = await startGateway();
    await write('d.jsonl', `${many(1500)}{"text":"${'😀'.repeat(400_000)}"}\n[]\n`);
    const dry = (...args: string[]) => run(['extract', '--dry-run', ...args], { env: { NER_URL: gateway.url } });
    expect(await dry('d.jsonl')).toEqual({
      code: 0,
      stderr: '',
      stdout:
        '1,502 documents to do (1 cannot be read; 0 more done before), 410,890 characters: at least 5 requests, and ' +
        '1 min at 100 requests a minute; with a url and a key it tells more\n',
    });
    await write('first.jsonl', '{"text":"Ada"}\n');
    await run(extract(gateway, 'first.jsonl', '--out', 'out.jsonl'));
    await write('first.jsonl', '{"text":"Ada"}\n{"text":"Bob"}\n');
    const rest = await dry('first.jsonl', '--out', 'out.jsonl', '--json');
    expect(JSON.parse(rest.stdout)).toMatchObject({ documents: 1, done: 1, requests: 1, minutes: 1, asked: 0 });
    expect(gateway.received).toHaveLength(1);
    // With a key, where the gateway lets nobody ask what a request may hold.
    gateway.modelStatus = 405;
    expect(await run(extract(gateway, 'first.jsonl', '--dry-run'))).toMatchObject({ code: 0 });
  });

  it.each([
    ['a slow service', 400, 100_000, 100, 1000],
    ['a fast one', 5, 3000, 50, 20_000],
    ['one without a limit', 10, undefined, 50, 10_000],
    ['short documents', 5, 6000, 5, 20_000],
    ['requests as large as they may be', 1, 100_000, 200, 5000],
  ])('--dry-run tells the requests of a run within 15 %%: %s', async (_, perThousand, limit, words, documents) => {
    await using gateway = await startGateway(({ texts }) => {
      const { headers, ...reply } = served(texts) as { status: number; headers: Record<string, string> };
      const ms = texts.reduce((sum, text) => sum + text.length + 100, 0) * (perThousand / 1000);
      const told = limit && {
        'x-ratelimit-limit-minute': String(limit),
        'x-ratelimit-remaining-minute': String(limit - 1),
      };
      return { ...reply, headers: { ...headers, 'server-timing': `ner;dur=${ms}`, ...told } };
    });
    await write(
      'd.jsonl',
      Array.from(
        { length: documents },
        (_, i) => `${JSON.stringify({ text: `${i} ${'word '.repeat((i * 7) % (2 * words + 1))}` })}\n`,
      ).join(''),
    );
    const told = await run(extract(gateway, 'd.jsonl', '--dry-run', '--json'));
    const { requests, asked } = JSON.parse(told.stdout);
    expect([told.code, asked, gateway.received.length]).toEqual([0, 3, 3]);
    gateway.received.length = 0;
    await run(extract(gateway, 'd.jsonl'));
    const used = gateway.received.length;
    expect([requests, used, Math.abs(requests / used - 1) <= 0.15]).toEqual([requests, used, true]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it at once, with what was done written', async (signal, exit) => {
    let child: ChildProcess | undefined;
    await using gateway = await startGateway((_, n) => {
      if (n === 1) return undefined;
      // The second request is never answered; the documents of the first are all written.
      child?.kill(signal);
      return () => {};
    });
    await write('d.jsonl', many(3000));
    const { code, stderr } = await run(extract(gateway, 'd.jsonl', '--concurrency', '1', '--out', 'out.jsonl'), {
      onStart: (started) => {
        child = started;
      },
    });
    const done = gateway.received[0]?.texts.length;
    expect(code).toBe(exit);
    expect(stderr).toMatch(new RegExp(`^burst-ner: interrupted\nburst-ner: ${done} documents done`));
    expect(await lines('out.jsonl')).toHaveLength(Number(done));
  });

  it('says at once that it waits for a service that is not there, and for how long', async () => {
    const gateway = await startGateway();
    await gateway[Symbol.asyncDispose](); // now nothing listens there
    await write('a.txt', 'Ada');
    const { code, stderr } = await run(extract(gateway, 'a.txt', '--out', 'out.jsonl'), {
      onStart: (child) => child.stderr?.once('data', () => child.kill('SIGINT')),
    });
    const why = `burst-ner: cannot connect to ${gateway.origin} (ECONNREFUSED); check url`;
    expect([code, stderr]).toEqual([130, `${why}; waiting for it for up to 60 s\nburst-ner: interrupted\n`]);
    expect(existsSync(path('out.jsonl'))).toBe(false);
    for (const args of [['doctor'], ['extract', '--dry-run', 'a.txt']]) {
      const at = performance.now();
      const told = await run(args, { env: { NER_API_KEY: KEY, NER_URL: gateway.url } });
      expect(told.code).toBeGreaterThan(0);
      expect(told.stderr + told.stdout).toContain(`cannot connect to ${gateway.origin} (ECONNREFUSED); check url`);
      expect(performance.now() - at).toBeLessThan(20_000); // it does not wait a minute
    }
  });

  it('an interrupt ends it while standard input is open', async () => {
    await using gateway = await startGateway();
    const { code } = await run(extract(gateway, '--out', 'out.jsonl'), {
      stdin: 'open',
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!existsSync(path('out.jsonl'))) return; // not listening yet
          clearInterval(timer);
          child.kill('SIGINT');
        }, 20);
      },
    });
    expect(code).toBe(130);
    expect(existsSync(path('out.jsonl'))).toBe(false); // nothing was written to it
  });

  it('is quiet when its reader has enough', async () => {
    await using gateway = await startGateway();
    await write('d.jsonl', many(3000));
    const { code, stderr } = await run(extract(gateway, 'd.jsonl'), {
      onStart: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('draws a bar on a terminal, with the wait for the rate limit, and takes it away', async () => {
    const window = Date.now() + 50_000;
    const left = () => Math.ceil((window - Date.now()) / 1000);
    await using gateway = await startGateway((_, n) => (n < 3 ? undefined : rateLimited(left())));
    await write('d.jsonl', many(3000));
    const program = [process.execPath, PROGRAM, ...extract(gateway, path('d.jsonl'), '--out', path('out.jsonl'))];
    const child = spawn(python, ['-c', IN_A_TERMINAL, ...program], { env: { NER_API_KEY: KEY } });
    const shown = (await textOf(child.stdout)).replaceAll('\r\x1b[2K', '<clear>');
    expect(shown).toMatch(/<clear>█+░+ \d+ %, \d+ documents, .* left, waiting \d+ s: 100 of 100 used this minute/);
    expect(shown).toMatch(/<clear>burst-ner: interrupted\r\nburst-ner: \d+ documents done.*\r\n$/);
  });
});

// Runs a program in a terminal of 160 columns, and interrupts it once it waits and the first documents are written.
const IN_A_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
    if b"left, waiting" in data:
        os.write(fd, b"\\x03")
`;

describe('what cannot start exits 2 with one sentence', () => {
  it.each<[string, string[], Record<string, string>, string]>([
    ['no key', ['extract', '--url', 'http://127.0.0.1:9/nlp/ner'], {}, 'NER_API_KEY'],
    ['no url', ['extract'], { NER_API_KEY: KEY }, 'pass --url or set the environment variable NER_URL'],
    [
      'no route',
      ['extract', '--url', 'http://127.0.0.1:9'],
      { NER_API_KEY: KEY },
      'url must include the route, e.g. /nlp/ner',
    ],
    [
      'no file',
      ['extract', '--url', 'http://127.0.0.1:9/nlp/ner', 'gone.txt'],
      { NER_API_KEY: KEY },
      'there is no file gone.txt; check the path',
    ],
    [
      'no folder to write in',
      ['extract', '--url', 'http://127.0.0.1:9/nlp/ner', '--out', 'no/out.jsonl'],
      { NER_API_KEY: KEY },
      'no/out.jsonl cannot be written (ENOENT)',
    ],
    [
      'a number that is none',
      ['extract', '--url', 'http://127.0.0.1:9/nlp/ner', '--concurrency', 'all'],
      { NER_API_KEY: KEY },
      'concurrency must be a whole number',
    ],
    [
      'a share that is none',
      ['extract', '--url', 'http://127.0.0.1:9/nlp/ner', '--budget-share', '2'],
      { NER_API_KEY: KEY },
      'budgetShare must be above 0 and up to 1',
    ],
    [
      'a shard that is none',
      ['extract', '--shard', '0/4'],
      {},
      '--shard must be i/n with i from 1 to n, e.g. 2/10, not 0/4',
    ],
    ['an unknown option', ['extract', '--key', 'x'], { NER_API_KEY: KEY }, "unknown option '--key'"],
    ['an unknown command', ['extracts'], { NER_API_KEY: KEY }, "unknown command 'extracts'"],
  ])('%s', async (_, args, env, sentence) => {
    const { code, stderr, stdout } = await run(args, { env });
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^burst-ner: .*\n(\(Did you mean .*\n)?$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('a wrong key, which it does not show', async () => {
    await using gateway = await startGateway();
    const env = { NER_API_KEY: 'wrong-key' };
    const { code, stderr } = await run(extract(gateway), { env, stdin: 'Ada' });
    expect(stderr).toMatch(/^burst-ner: .*does not know this API key.*\n$/);
    expect(stderr).not.toContain('wrong-key');
    expect(code).toBe(2);
  });
});

describe('a standard output that is full', () => {
  it.each([['extract', '--dry-run', 'a.txt'], ['doctor'], ['--help']])('is told by %s', async (...args) => {
    await using gateway = await startGateway();
    await write('a.txt', 'Ada');
    const env = { NER_API_KEY: KEY, NER_URL: gateway.url };
    expect(await run(args, { env, shell: 'exec >/dev/full' })).toMatchObject({
      code: 2,
      stderr: 'burst-ner: standard output cannot be written (ENOSPC); make room and run the same command again\n',
    });
  });
});

describe('the built package', () => {
  const use = `
    const ner = new NerClient({ url: process.env.URL, apiKey: '${KEY}' });
    ner.extract('Ada').then((entities) => console.log(JSON.stringify(entities)));
  `;
  it.each([
    ['import', ['--input-type=module', '-e', `import { NerClient } from '@burst-ner/client';${use}`]],
    [
      'require',
      [
        '--input-type=commonjs',
        '-e',
        `const { NerClient } = require('@burst-ner/client');require('@burst-ner/client/documents').readDocuments([]);${use}`,
      ],
    ],
  ])('works by %s, and its idle sockets let the process end', async (_, args) => {
    await using gateway = await startGateway();
    const child = spawn(process.execPath, args, {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { URL: gateway.url },
    });
    let out = '';
    let answered = 0;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        answered = performance.now();
        out += chunk;
      });
    }
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(JSON.parse(out)).toEqual([{ text: 'Ada', label: 'NAME', start: 0, end: 3 }]);
    // The client was never closed, and would keep its socket for more than a minute.
    expect(performance.now() - answered).toBeLessThan(30_000);
  });
});
