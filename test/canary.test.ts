// The API key and the texts go through the whole path, by every command: they are in none of what it leaves behind.
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KEY, leaks, TEXT, told } from '../scripts/canaries.mjs';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../scripts/model.mjs';
import { python } from '../scripts/python.mjs';
import { root } from '../scripts/step.mjs';

// What it leaves behind stays here, so that it can be looked at; `npm test` searches it once more.
const outputs = path.join(root, '.cache/reports/canary');
rmSync(outputs, { recursive: true, force: true });
mkdirSync(outputs, { recursive: true });
const inputs = mkdtempSync(path.join(tmpdir(), 'burst-ner-canary-'));
afterAll(() => rmSync(inputs, { recursive: true }));

const at = (name: string) => path.join(outputs, name);
const keep = (name: string, text: string) => writeFileSync(at(name), text);
const read = (name: string) => readFileSync(at(name), 'utf8');

/** Starts a program whose output is kept. */
function start(name: string, program: string, args: string[], env: Record<string, string>) {
  const cli = path.join(root, 'packages', program);
  const child = spawn(process.execPath, [cli, ...args], { cwd: outputs, env: { PATH: process.env['PATH'], ...env } });
  const kept = (stream: string) => createWriteStream(at(`${name}.${stream}`));
  child.stdout.pipe(kept('stdout'));
  child.stderr.pipe(kept('stderr'));
  return { child, code: once(child, 'close').then(([code]) => code as number) };
}

test('the search finds what there is', () => {
  mkdirSync(path.join(inputs, 'log'));
  writeFileSync(path.join(inputs, 'log/a'), `fine\nthe key ${KEY}x`);
  writeFileSync(path.join(inputs, 'log/b'), 'fine');
  expect(leaks(inputs)).toEqual(['log/a:2']);
  expect([KEY, TEXT, TEXT.toUpperCase(), 'Ada'].map(told)).toEqual([true, true, true, false]);
});

test('what the path puts out has neither', async () => {
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const paths = ['--kong', path.join(root, 'kong/kong.yaml'), '--service', path.join(root, 'packages/service')];
  const emulator = start(
    'emulator',
    'emulator/dist/cli.js',
    ['up', ...paths, '--python', python, '--model', model, '--port', '0', '--json', '--log', at('function.log')],
    { DECK_BATCH_PROCESSOR_KEY: KEY, DECK_LOAD_GENERATOR_KEY: `${KEY}-load` },
  );
  const { endpoint, page } = await ready();
  const client = (name: string, args: string[], key = KEY) =>
    start(name, 'client/dist/cli/main.js', args, { NER_API_KEY: key, NER_URL: endpoint }).code;
  const load = (name: string, ...args: string[]) =>
    start(name, 'loadtest/dist/cli.js', args, { NER_API_KEY: `${KEY}-load` }).code;
  const documents = path.join(inputs, 'documents.jsonl');
  const known = `Ada Lovelace met ${TEXT} in London.`;
  const texts = [known, `half a pair \ud83d of ${TEXT}`, '', 7, `${'It was so. '.repeat(5_000)}${known}`];
  writeFileSync(documents, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));

  expect(await client('extract', ['extract', documents, '--out', at('records.jsonl')])).toBe(1);
  expect(read('records.jsonl')).toContain('Ada Lovelace');
  expect(await client('extract-wrong', ['extract', documents], `${KEY}-wrong`)).toBe(2);
  expect(await client('doctor', ['doctor'])).toBe(0);
  const bursts = ['-n', '3', '--bursts', '2', '--every', '100ms', '--limit', '1000', '--text', TEXT];
  expect(await load('run', 'run', endpoint, ...bursts, '--out', at('run.ndjson'), '--html', at('run.html'))).toBe(0);
  expect(await load('report', 'report', at('run.ndjson'), '--report-log', at('function.log'), '--json')).toBe(0);
  expect(await load('export', 'export', at('run.ndjson'), '--format', 'csv')).toBe(0);
  expect(await load('plan', 'plan', at('run.ndjson'), '--html', at('plan.html'))).toBe(0);
  for (const body of [TEXT, `{"text":["${TEXT}"]}`, `{"${TEXT}":1,"texts":[]}`]) {
    const answer = await fetch(endpoint, { method: 'POST', headers: { apikey: KEY }, body });
    expect(answer.status).toBe(400);
    keep(`refused-${body.length}`, `${JSON.stringify([...answer.headers])}\n${await answer.text()}`);
  }
  keep('page.html', await (await fetch(page)).text());
  emulator.child.kill('SIGTERM');
  expect(await emulator.code).toBe(0);

  // The last of them are written.
  expect(read('emulator.stdout')).toContain('"event":"cold start"');
  expect(read('function.log')).toMatch(/REPORT RequestId/);
  expect(leaks(outputs)).toEqual([]);

  async function ready(): Promise<{ endpoint: string; page: string }> {
    let seen = '';
    for await (const [data] of on(emulator.child.stdout, 'data')) {
      seen += data;
      if (seen.includes('\n')) break;
    }
    return JSON.parse(seen.split('\n')[0] ?? '');
  }
});
