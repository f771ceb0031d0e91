import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Sample } from '../src/sample.js';
import { createCertificate } from './certificate.js';
import { answerNer, listen } from './server.js';

/** The built command: `pnpm build` comes first. */
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function start(args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [CLI, 'run', ...args], {
    env: { ...process.env, FORCE_COLOR: undefined, NER_API_KEY: 'secret-key', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once('close', (code) => {
      expect(stdout + stderr).not.toContain('secret-key');
      resolve({ code, stdout, stderr });
    }),
  );
  return { child, ended };
}
const run = (args: string[], env?: NodeJS.ProcessEnv) => start(args, env).ended;
const temporary = (name: string) => join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), name);
const readSamples = (file: string) =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample);

test('a burst is reported with cold and warm apart, plain in a pipe', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 12));
  const { code, stdout } = await run([server.url.href]);
  expect(stdout).toMatch(/^20 of 20 requests succeeded: 12 cold \(median .+\), 8 warm \(median .+\); cold took/m);
  expect(stdout).toContain('sent 20 = 20 ok\n');
  expect(stdout).toMatch(/^cold +12 .+ need n ≥ 72 /m);
  expect(stdout).toMatch(/^warm +8 /m);
  expect(stdout.split('●').length - 1).toBe(12 + 1);
  expect(stdout.split('○').length - 1).toBe(8 + 1);
  expect(stdout).toContain('init of the cold starts (server-timing): median 813 ms');
  expect(stdout).not.toContain('\u001b');
  expect(code).toBe(0);
});

test('colours are forced and forbidden by the usual variables', async () => {
  await using server = await listen((response) => answerNer(response, false));
  expect((await run([server.url.href], { FORCE_COLOR: '1' })).stdout).toContain('\u001b[33m○');
  expect((await run([server.url.href], { NO_COLOR: '1' })).stdout).not.toContain('\u001b');
});

test('--json prints one object, and --out keeps every sample', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 2));
  const out = temporary('run.ndjson');
  const { code, stdout } = await run([server.url.href, '-n', '8', '--json', '--out', out, '--text', 'Oslo']);
  const summary = JSON.parse(stdout);
  expect(summary).toMatchObject({ sent: 8, outcomes: { ok: 8 }, latency: { cold: { n: 2 }, warm: { n: 6 } } });
  expect(readSamples(out).filter((sample) => sample.start === 'cold')).toHaveLength(2);
  expect(server.seen[0]?.body).toBe('{"text":"Oslo"}');
  expect(code).toBe(0);
});

test('--duration keeps connections busy', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 1));
  const { code, stdout } = await run([server.url.href, '--duration', '500ms', '--connections', '3', '--json']);
  // The one that tried the key came before, and was the cold one.
  const { outcomes, latency } = JSON.parse(stdout);
  expect(latency).toMatchObject({ cold: null, warm: { n: outcomes.ok } });
  expect(outcomes.ok).toBeLessThan(server.seen.length);
  expect(code).toBe(0);
});

test('a refused key is one sentence and no further load', async () => {
  await using server = await listen((response) => response.writeHead(401).end());
  const refused = { code: 2, stdout: '', stderr: expect.stringContaining('does not know the key in NER_API_KEY') };
  expect(await run([server.url.href, '-n', '5'])).toEqual(refused);
  expect(server.seen).toHaveLength(5);
  expect(await run([server.url.href, '--duration', '5s'])).toEqual(refused);
  expect(server.seen).toHaveLength(6);
});

test('a burst in which nothing succeeds says so and exits with 1', async () => {
  await using server = await listen((response) => response.writeHead(404).end());
  const { code, stdout } = await run([server.url.href, '-n', '4']);
  expect(stdout).toContain('None of 4 requests succeeded (HTTP 404 × 4).');
  expect(code).toBe(1);
});

test('Ctrl-C keeps what was measured', async () => {
  const out = temporary('run.ndjson');
  const asked = new EventEmitter();
  await using server = await listen((response, nth) => {
    if (nth < 4) answerNer(response, false);
    if (nth === 5) asked.emit('all');
  });
  const { child, ended } = start([server.url.href, '-n', '6', '--out', out]);
  await once(asked, 'all');
  // The first answers are on their way: give the command the time to read them.
  setTimeout(() => child.kill('SIGINT'), 300);
  const { code, stdout } = await ended;
  expect(stdout).toContain('sent 6 = 4 ok + 2 cut');
  expect(readSamples(out)).toHaveLength(6);
  expect(code).toBe(130);
});

const certificate = await createCertificate();
test('a certificate of a private authority verifies once NODE_EXTRA_CA_CERTS names it', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  // Even where the user has switched verification off for Node, the key goes to no stranger.
  const unverified = await run([server.url.href], { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  expect(unverified).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('does not verify') });
  expect(server.seen).toEqual([]);
  const verified = await run([server.url.href, '-n', '3'], { NODE_EXTRA_CA_CERTS: certificate.file });
  expect(verified.stdout).toContain('sent 3 = 3 ok');
});

const HERE = 'http://127.0.0.1:9/nlp/ner';
test.each([
  ['no key', [HERE], { NER_API_KEY: '' }, 'NER_API_KEY is not set'],
  [
    'a key with a line break',
    [HERE],
    { NER_API_KEY: 'a\nb' },
    'NER_API_KEY holds a character that no header can carry',
  ],
  ['no route', ['http://127.0.0.1:9'], {}, 'url must include the route, e.g. /nlp/ner'],
  ['no address', ['localhost'], {}, 'url must start with http:// or https://'],
  ['a port where nobody listens', [HERE], {}, 'Cannot connect to 127.0.0.1:9: nothing listens there (ECONNREFUSED).'],
  ['another machine', ['http://192.0.2.1/nlp/ner'], {}, '192.0.2.1 is not this machine; add --yes'],
  ['a name like loopback', ['http://127.0.0.1.example/nlp/ner'], {}, 'is not this machine'],
  ['autocannon on https', ['https://192.0.2.1/nlp/ner', '--yes', '--duration', '1s'], {}, 'verifies no certificate'],
  ['no such folder', [HERE, '--out', '/no/such/run.ndjson'], {}, 'Cannot write /no/such/run.ndjson'],
  ['both kinds of load', [HERE, '-n', '5', '--duration', '1s'], {}, "'--duration <time>' cannot be used with"],
  ['connections of a burst', [HERE, '--connections', '5'], {}, '--connections goes with --duration'],
  [
    'a time that autocannon cannot wait',
    [HERE, '--duration', '1s', '--timeout', '10ms'],
    {},
    '--timeout of at least 1s',
  ],
  ['no number', [HERE, '-n', '1.5'], {}, 'give a whole number from 1 to 99999'],
  ['no time', [HERE, '--timeout', 'soon'], {}, 'give a time such as 500ms, 60s or 2m'],
])('%s is one sentence and exit code 2', async (_name, args, env, sentence) => {
  const { code, stdout, stderr } = await run(args, env);
  expect(stderr).toContain(sentence);
  expect(stderr.replace(/^Running.*\n/, '').trimEnd()).not.toContain('\n');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});
