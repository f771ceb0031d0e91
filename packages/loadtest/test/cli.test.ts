import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { readRun } from '../src/run-file.js';
import type { Kept } from '../src/samples.js';
import { createCertificate } from './certificate.js';
import { answerNer, listen } from './server.js';

/** The built command: `pnpm build` comes first. */
const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function start(args: string[], env: NodeJS.ProcessEnv = {}, command = [process.execPath]) {
  const child = spawn(command[0] ?? '', [...command.slice(1), CLI, 'run', ...args], {
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
const readSamples = async (file: string): Promise<Kept[]> => [...(await readRun(file)).samples];

test('a burst is reported with cold and warm apart, plain in a pipe', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 12));
  const { code, stdout } = await run([server.url.href]);
  expect(stdout).toMatch(/^20 of 20 requests succeeded: 12 cold \(median .+\), 8 warm \(median .+\); cold took/m);
  expect(stdout).toContain('sent 20 = 20 ok\n');
  expect(stdout).toMatch(/^ +cold +warm +all *$/m);
  expect(stdout).toMatch(/^n +12 +8 +20 *$/m);
  expect(stdout).toMatch(/^p95 +need n ≥ 72 +need n ≥ 72 +need n ≥ 72 *$/m);
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
  expect((await readSamples(out)).filter((sample) => sample.start === 'cold')).toHaveLength(2);
  expect(server.seen[0]?.body).toBe('{"text":"Oslo"}');
  expect(code).toBe(0);
});

test('--duration keeps connections busy', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 1));
  const { code, stdout } = await run([server.url.href, '--duration', '500ms', '--connections', '3', '--json']);
  const { outcomes, latency, sent } = JSON.parse(stdout);
  expect(latency).toMatchObject({ cold: { n: 1 }, warm: { n: outcomes.ok - 1 } });
  expect(outcomes.ok + outcomes.cut).toBe(sent);
  expect(code).toBe(0);
});

test('--rate sends at even steps, and counts from when requests were due', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const out = temporary('run.ndjson');
  const { code, stdout } = await run([server.url.href, '--rate', '20', '--duration', '500ms', '--out', out]);
  expect(stdout).toContain('sent 10 = 10 ok\n');
  const { info, samples, bursts, end } = await readRun(out);
  expect(info).toMatchObject({ mode: 'rate', rate: 20, durationMs: 500, n: null });
  expect(bursts).toEqual([]);
  expect([...samples].map(({ intendedMs }) => intendedMs).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 10 }, (_, i) => i * 50),
  );
  expect({ end, code }).toEqual({ end: 'complete', code: 0 });
});

test('bursts go off at their interval, each told and kept as soon as it is over', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 2));
  const out = temporary('run.ndjson');
  const args = [server.url.href, '-n', '4', '--bursts', '3', '--every', '700ms', '--out', out];
  const { code, stdout, stderr } = await run(args);
  expect(stderr).toContain('3 bursts of 4 to ');
  expect(stderr).toMatch(/^burst 1 of 3: 4 ok \(2 cold, 2 warm\); first bytes within \d/m);
  expect(stderr).toMatch(/^burst 3 of 3: 4 ok \(4 warm\)/m);
  expect(stdout).toContain('sent 12 = 12 ok');
  const { info, samples, bursts, end } = await readRun(out);
  expect(info).toMatchObject({ mode: 'bursts', n: 4, bursts: 3, everyMs: 700, text: { characters: 92 }, pair: null });
  expect([...samples].map(({ burst }) => burst)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  const released = bursts.map(({ releasedAt }) => Date.parse(releasedAt));
  // From one release to the next; a busy machine may be late, nobody is early by more than a clock's tick.
  for (const nth of [1, 2]) expect((released[nth] ?? 0) - (released[nth - 1] ?? 0)).toBeGreaterThan(690);
  expect({ end, code }).toEqual({ end: 'complete', code: 0 });
  expect(readFileSync(out, 'utf8')).not.toContain('secret-key');
});

test('bursts of two targets alternate, and are compared', async () => {
  const order: string[] = [];
  await using a = await listen((response) => answerNer(response, order.push('a') < 0));
  await using b = await listen((response) => {
    order.push('b');
    setTimeout(() => answerNer(response, false), 150);
  });
  const [out, againstOut] = [temporary('a.ndjson'), temporary('b.ndjson')];
  const files = ['--out', out, '--against', b.url.href, '--against-out', againstOut];
  const args = [a.url.href, '-n', '2', '--bursts', '5', '--every', '200ms', ...files, '--fail-if', 'warm.p50 > +50%'];
  const { code, stdout } = await run(args);
  expect(order.join('')).toBe('aabb'.repeat(5));
  expect(stdout.split('sent 10 = 10 ok')).toHaveLength(3);
  expect(stdout).toContain('warm.p50');
  expect(code).toBe(1);
  const [runA, runB] = [await readRun(out), await readRun(againstOut)];
  expect(runA.info.pair).toEqual({ id: runB.info.pair?.id, side: 'a' });
  expect(runB.info).toMatchObject({ target: b.url.href, pair: { side: 'b' } });
});

test('--cold config-bump runs its command before each burst, and stops where it fails', async () => {
  await using server = await listen((response) => answerNer(response, true));
  const bumps = temporary('bumps');
  // A stand-in for the AWS command line, which prints the function's variables; the third time it is refused.
  const command = `echo "$NER_API_KEY bump" | tee -a ${bumps}; test "$(wc -l < ${bumps})" -lt 3`;
  const cold = ['--cold', 'config-bump', '--cold-command', command];
  const { code, stdout, stderr } = await run([server.url.href, '-n', '2', '--bursts', '5', '--every', '1s', ...cold]);
  expect(readFileSync(bumps, 'utf8')).toBe(' bump\n'.repeat(3));
  expect(stdout).toContain('sent 4 = 4 ok');
  expect(stdout).not.toContain('bump\n');
  expect(stderr).toMatch(/error: The --cold-command ended with exit code 1; nothing was sent after it.\n$/);
  expect({ code, seen: server.seen.length }).toEqual({ code: 3, seen: 4 });
});

test('a threshold decides the exit code', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const judged = async (...failIf: string[]) => {
    const { code, stdout } = await run([server.url.href, '-n', '6', ...failIf.flatMap((text) => ['--fail-if', text])]);
    return [code, stdout.match(/^(held|broken|undecided)(?=: fail if)/gm)];
  };
  expect(await judged('timeout > 0', 'warm.p50 > 30s')).toEqual([0, ['held', 'held']]);
  expect(await judged('timeout > 0', 'all.max > 0.001ms')).toEqual([1, ['held', 'broken']]);
  expect(await judged('warm.p99 > 30s')).toEqual([2, ['undecided']]);
});

test('what a threshold is about may be missing: the report comes first', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { code, stdout, stderr } = await run([server.url.href, '-n', '2', '--fail-if', 'cold.p50 > 1s']);
  expect(stdout).toContain('sent 2 = 2 ok');
  expect(stderr).toContain("--fail-if 'cold.p50 > 1s' cannot be judged");
  expect(code).toBe(3);
});

test('--dry-run says what it takes and sends nothing, without a key', async () => {
  const args = ['http://ner.invalid/nlp/ner', '--dry-run', '-n', '200', '--bursts', '5', '--every', '90s'];
  const { code, stdout } = await run(args, { NER_API_KEY: '' });
  expect(stdout).toBe(`5 bursts of 200 to http://ner.invalid/nlp/ner, 1 min 30 s apart
  requests  1,000
  time      6 min, and at most 1 min for the last answers
  cost      about $0.03, if Lambda bills 1 s each at 2048 MB (arm64)
  limit     100 a minute may cut this: up to 200 in a calendar minute; Kong counts late, so it may let more of one burst through
Nothing was sent.
`);
  expect(code).toBe(0);
});

test('a refused key is one sentence and no load, and the file of an earlier run stays', async () => {
  await using server = await listen(() => {}, undefined, 401);
  const out = temporary('run.ndjson');
  writeFileSync(out, 'what was measured before');
  for (const load of [
    ['-n', '5'],
    ['--duration', '5s'],
    ['--rate', '5'],
  ]) {
    const { code, stdout, stderr } = await run([server.url.href, ...load, '--out', out]);
    expect(stderr).toContain('answered 401: it does not know the key in NER_API_KEY.');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
  }
  expect(server.seen).toEqual([]);
  expect(readFileSync(out, 'utf8')).toBe('what was measured before');
});

test('a route that is not there is one sentence and no load', async () => {
  await using server = await listen(() => {}, undefined, 404);
  const { code, stdout, stderr } = await run([server.url.href]);
  expect(stderr).toContain(`${server.url.origin} answered 404: it has no route /nlp/ner; url must include it`);
  expect({ code, stdout, seen: server.seen }).toEqual({ code: 3, stdout: '', seen: [] });
});

test.each([
  ['-n', ['-n', '4', '--bursts', '50', '--every', '50ms'], 8],
  ['--rate', ['--rate', '200', '--duration', '60s'], 400],
  ['--duration', ['--duration', '60s'], 400],
])('a key that is withdrawn while %s runs ends it, and what was measured stays', async (_, load, most) => {
  await using server = await listen((response, nth) => {
    if (nth < 4) answerNer(response, false);
    else response.writeHead(401).end();
  });
  const out = temporary('run.ndjson');
  const { code, stdout, stderr } = await run([server.url.href, ...load, '--out', out]);
  expect(stdout).toMatch(/^sent \d+ = 4 ok \+ \d+ 4xx/m);
  expect(stderr).toMatch(/error: \S+ answered 401: it does not know the key in NER_API_KEY.\n$/);
  expect(server.seen.length).toBeLessThanOrEqual(most);
  expect((await readRun(out)).end).toBe('interrupted');
  expect(code).toBe(3);
});

test('a target that goes away between bursts is one sentence, and what was measured stays', async () => {
  const server = await listen((response, nth) => {
    answerNer(response, false);
    if (nth === 3) response.once('close', () => void server.close());
  });
  const { code, stdout, stderr } = await run([server.url.href, '-n', '2', '--bursts', '9', '--every', '300ms']);
  expect(stdout).toContain('sent 4 = 4 ok');
  expect(stderr).toContain('error: Cannot connect to');
  expect(code).toBe(3);
});

test('somebody else on the key, and a limit that is not the expected one, are told once', async () => {
  await using server = await listen((response, nth) => {
    const told = { 'ratelimit-limit': '60', 'ratelimit-remaining': String(20 - nth), 'ratelimit-reset': '30' };
    response.writeHead(200, told).end('{}');
  });
  const { stderr } = await run([server.url.href, '-n', '2', '--bursts', '2', '--every', '100ms']);
  expect(stderr.match(/^Somebody else uses this key/gm)).toHaveLength(1);
  expect(stderr).toContain("The gateway's answers tell a limit of 60 a minute, not 100.\n");
});

test('a burst in which nothing succeeds says so and exits with 1', async () => {
  await using server = await listen((response) => response.writeHead(500).end());
  const { code, stdout } = await run([server.url.href, '-n', '4']);
  expect(stdout).toContain('None of 4 requests succeeded (HTTP 500 × 4).');
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
  expect(await readSamples(out)).toHaveLength(6);
  expect(code).toBe(130);
});

test('Ctrl-C between bursts ends the wait, and keeps the bursts before', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const out = temporary('run.ndjson');
  const { child, ended } = start([server.url.href, '-n', '2', '--bursts', '2', '--every', '10m', '--out', out]);
  await vi.waitFor(() => expect(readFileSync(out, 'utf8')).toContain('"type":"burst"'), { timeout: 20_000 });
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect(stdout).toContain('sent 2 = 2 ok');
  expect(await readRun(out)).toMatchObject({ end: 'interrupted', bursts: [{ burst: 0 }] });
  expect(code).toBe(130);
});

const certificate = await createCertificate();
test('a certificate of a private authority verifies once NODE_EXTRA_CA_CERTS names it', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  // Even where the user has switched verification off for Node, the key goes to no stranger.
  const unverified = await run([server.url.href], { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  expect(unverified).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('does not verify') });
  expect(server.seen).toEqual([]);
  const verified = await run([server.url.href, '-n', '3'], { NODE_EXTRA_CA_CERTS: certificate.file });
  expect(verified.stdout).toContain('sent 3 = 3 ok');
});

const HERE = 'http://127.0.0.1:9/nlp/ner';
test.concurrent.each([
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
  ['another machine', ['http://ner.invalid/nlp/ner'], {}, 'ner.invalid is not this machine; add --yes'],
  ['a name like loopback', ['http://127.0.0.1.example/nlp/ner'], {}, 'is not this machine'],
  ['autocannon on https', ['https://ner.invalid/nlp/ner', '--yes', '--duration', '1s'], {}, 'verifies no certificate'],
  ['no such text', [HERE, '--text-file', '/no/such.txt'], {}, 'Cannot read /no/such.txt (ENOENT).'],
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
  ['no rate', [HERE, '--rate', '0'], {}, 'give requests a second, above 0 and up to 10000'],
  ['idle without a wait', [HERE, '--cold', 'idle'], {}, '--cold idle waits --every before each burst'],
  ['a restart of nothing', [HERE, '--cold', 'restart'], {}, '--cold restart needs --emulator'],
  [
    'a restart elsewhere',
    [HERE, '--cold', 'restart', '--emulator', 'https://ner.invalid'],
    {},
    '--emulator must be on this machine',
  ],
  ['a bump of nothing', [HERE, '--cold', 'config-bump'], {}, '--cold config-bump needs --cold-command'],
  ['a command for nothing', [HERE, '--cold-command', 'true'], {}, '--cold-command goes with --cold config-bump'],
  ['cold by a rate', [HERE, '--cold', 'idle', '--rate', '1'], {}, "'--rate <rate>' cannot be used with"],
  ['a threshold of another command', [HERE, '--fail-if', 'warm.p50 > +10%'], {}, "--fail-if 'warm.p50 > +10%'"],
  ['a second file for nothing', [HERE, '--against-out', 'b'], {}, '--against-out goes with --against'],
  ['a page of two', [HERE, '--against', HERE, '--html', 'x.html'], {}, '--html goes with one target'],
])('%s is one sentence and exit code 3', async (_name, args, env, sentence) => {
  const { code, stdout, stderr } = await run(args, env);
  expect(stderr).toContain(sentence);
  // Before it there may be what the run would have taken.
  expect(stderr.replace(/^One burst of .*\n( {2}.*\n){4}/, '').trimEnd()).not.toContain('\n');
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
});

test('a file that cannot be written is told before any load', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { code, stderr } = await run([server.url.href, '--out', '/no/such/run.ndjson']);
  expect(stderr).toContain('error: Cannot write /no/such/run.ndjson (ENOENT)');
  expect({ code, seen: server.seen }).toEqual({ code: 3, seen: [] });
});

test('a file that can no longer be written ends the run, and the report is whole', async () => {
  await using server = await listen((response) => answerNer(response, false));
  // It takes what is asked for, and has no room for more than the first lines.
  const limited = ['sh', '-c', 'ulimit -f 8; trap "" XFSZ; exec "$0" "$@"', process.execPath];
  const out = temporary('run.ndjson');
  const args = [server.url.href, '-n', '40', '--out', out];
  const { stdout, stderr, code } = await start(args, {}, limited).ended;
  expect(stdout).toContain('sent 40 = 40 ok');
  expect(stderr).toContain(`error: Cannot write ${out} (EFBIG)`);
  expect(code).toBe(3);
});
