import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Gateway, KEY, MODEL, startGateway } from './gateway.js';

// The built program, as it is installed: run the build before these tests.
const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

let root: string;
let folder: string;
beforeAll(async () => {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: run the build first`);
  root = await mkdtemp(join(tmpdir(), 'cli-'));
});
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'run-'));
});
afterAll(() => rm(root, { recursive: true }));

interface Run {
  args: string[];
  env?: Record<string, string>;
  stdin?: string;
  onStart?: (child: ChildProcess) => void;
}

async function run({ args, env = { NER_API_KEY: KEY }, stdin = '', onStart }: Run) {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: folder, env: { PATH, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => {});
  if (stdin !== 'open') child.stdin.end(stdin);
  onStart?.(child);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stderr, lines: jsonLines(stdout) };
}

function jsonLines(text: string): Record<string, unknown>[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const extract = (gateway: Gateway, ...args: string[]) => ['extract', '--url', gateway.url, ...args];
const file = (name: string, text: string) => writeFile(join(folder, name), text);

describe('burst-ner extract', () => {
  it('writes a line for each document of each file, and a summary apart', async () => {
    await using gateway = await startGateway();
    await file('a.txt', '😀 Ada');
    await file('b.jsonl', '{"id":1,"text":"Bob"}\n{"id":2,"text":"nobody"}\n');
    const { code, stderr, lines } = await run({ args: extract(gateway, 'a.txt', 'b.jsonl') });
    expect(lines).toEqual([
      { source: 'a.txt', entities: [{ text: 'Ada', label: 'NAME', start: 3, end: 6 }], model: MODEL },
      {
        source: 'b.jsonl',
        line: 1,
        id: '1',
        entities: [{ text: 'Bob', label: 'NAME', start: 0, end: 3 }],
        model: MODEL,
      },
      { source: 'b.jsonl', line: 2, id: '2', entities: [], model: MODEL },
    ]);
    expect(stderr).toMatch(
      /^burst-ner: 3 documents done, 0 failed, 2 entities, 1 answers \(0 of them 429\), \d+\.\d s, en_test 1\.0\.0\n$/,
    );
    expect(code).toBe(0);
  });

  it('reads standard input, as text or as --format says, and the url from NER_URL', async () => {
    await using gateway = await startGateway();
    const env = { NER_API_KEY: KEY, NER_URL: gateway.url };
    const text = await run({ args: ['extract'], env, stdin: 'Ada\nBob\n' });
    expect(text.lines).toMatchObject([{ source: '-', entities: [{ text: 'Ada' }, { text: 'Bob' }] }]);
    const csv = await run({
      args: ['extract', '-', '--format', 'csv', '--text-field', 'b'],
      env,
      stdin: 'a,b\nAda,Bob\n',
    });
    expect(csv.lines).toMatchObject([{ source: '-', line: 2, entities: [{ text: 'Bob' }] }]);
  });

  it('exits 1 when a document failed, and writes why beside the others', async () => {
    await using gateway = await startGateway();
    await file('d.jsonl', `{"text":"Ada"}\n{"text":"${'x'.repeat(40_001)}"}\n{"text":"Bob"}\n`);
    const { code, stderr, lines } = await run({ args: extract(gateway, 'd.jsonl') });
    expect(lines).toMatchObject([{ line: 1 }, { line: 2, error: { code: 'too_large' } }, { line: 3, entities: [{}] }]);
    expect(stderr).toContain('2 documents done, 1 failed');
    expect(code).toBe(1);
  });

  it('writes to a new file, never over an old one', async () => {
    await using gateway = await startGateway();
    await file('a.txt', 'Ada');
    const first = await run({ args: extract(gateway, 'a.txt', '--out', 'out.jsonl') });
    expect(first).toMatchObject({ code: 0, lines: [] });
    const written = await readFile(join(folder, 'out.jsonl'), 'utf8');
    expect(jsonLines(written)).toMatchObject([{ source: 'a.txt' }]);
    const second = await run({ args: extract(gateway, 'a.txt', '--out', 'out.jsonl') });
    expect(second).toMatchObject({
      code: 2,
      stderr: 'burst-ner: out.jsonl exists already; remove it or name another file with --out\n',
    });
    expect(await readFile(join(folder, 'out.jsonl'), 'utf8')).toBe(written);
    expect(gateway.received).toHaveLength(1);
  });

  it('keeps what was done before a line that is broken', async () => {
    await using gateway = await startGateway();
    await file('d.jsonl', '{"text":"Ada"}\n{"text":"Bob"}\n{"text":');
    const { code, stderr, lines } = await run({ args: extract(gateway, 'd.jsonl') });
    expect(lines).toMatchObject([{ line: 1 }, { line: 2 }]);
    expect(stderr).toMatch(/^burst-ner: d\.jsonl line 3 is not valid JSON\nburst-ner: 2 documents done/);
    expect(code).toBe(2);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it at once, with what was done written', async (signal) => {
    let child: ChildProcess | undefined;
    await using gateway = await startGateway((_, n) => {
      if (n === 1) return undefined;
      // The second request is never answered; the documents of the first are all written.
      child?.kill(signal);
      return () => {};
    });
    await file('d.jsonl', Array.from({ length: 150 }, (_, i) => `{"text":"Ada ${i}"}\n`).join(''));
    const args = extract(gateway, 'd.jsonl', '--concurrency', '1', '--out', 'out.jsonl');
    const onStart = (started: ChildProcess) => {
      child = started;
    };
    const { code, stderr } = await run({ args, onStart });
    expect(code).toBe(130);
    expect(stderr).toMatch(/^burst-ner: interrupted\nburst-ner: 100 documents done/);
    expect(jsonLines(await readFile(join(folder, 'out.jsonl'), 'utf8'))).toHaveLength(100);
  });

  it('an interrupt ends it while standard input is open', async () => {
    await using gateway = await startGateway();
    const { code } = await run({
      args: extract(gateway, '--out', 'out.jsonl'),
      stdin: 'open',
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!existsSync(join(folder, 'out.jsonl'))) return; // not listening yet
          clearInterval(timer);
          child.kill('SIGINT');
        }, 20);
      },
    });
    expect(code).toBe(130);
    expect(existsSync(join(folder, 'out.jsonl'))).toBe(false); // nothing was written to it
  });

  it('is quiet when its reader has enough', async () => {
    await using gateway = await startGateway();
    await file('d.jsonl', Array.from({ length: 3000 }, (_, i) => `{"text":"Ada ${i}"}\n`).join(''));
    const { code, stderr } = await run({
      args: extract(gateway, 'd.jsonl'),
      onStart: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

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
    ['an unknown option', ['extract', '--key', 'x'], { NER_API_KEY: KEY }, "unknown option '--key'"],
    ['an unknown command', ['extracts'], { NER_API_KEY: KEY }, "unknown command 'extracts'"],
  ])('%s', async (_, args, env, sentence) => {
    const { code, stderr, lines } = await run({ args, env });
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^burst-ner: .*\n(\(Did you mean .*\n)?$/);
    expect({ code, lines }).toEqual({ code: 2, lines: [] });
  });

  it('a wrong key, which it does not show', async () => {
    await using gateway = await startGateway();
    const { code, stderr } = await run({ args: extract(gateway), env: { NER_API_KEY: 'wrong-key' }, stdin: 'Ada' });
    expect(stderr).toMatch(/^burst-ner: .*does not know this API key.*\n$/);
    expect(stderr).not.toContain('wrong-key');
    expect(code).toBe(2);
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
        '--no-experimental-require-module',
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
    // The client was never closed, and would keep its socket for 4 s.
    expect(performance.now() - answered).toBeLessThan(2000);
  });
});
