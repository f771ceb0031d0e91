import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { told } from '../../../scripts/canaries.mjs';
import { readRun } from '../src/run/run-file.js';
import { createCertificate } from './certificate.js';
import { readSamples, run, temporary } from './command.js';
import { answerNer, listen } from './server.js';

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

test('stages change the rate, and every request of a file is sent, in bursts as in an open model', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const [out, requests] = [temporary('run.ndjson'), temporary('requests.jsonl')];
  writeFileSync(requests, ['{"texts":["Oslo","Bergen"]}', '"Łódź"'].join('\n'));
  const asked = [
    '--stages',
    '10@500ms,20-20@500ms',
    '--requests',
    requests,
    '--label',
    'memory=3072',
    '--label',
    'x=y',
  ];
  const { code, stdout, stderr } = await run([server.url.href, ...asked, '--out', out]);
  expect(stderr).toContain('requests a second: 10 for 500 ms, 20 for 500 ms to ');
  expect(stderr).toContain('at 3072 MB (arm64)');
  expect(stdout).toContain('sent 15 = 15 ok\n');
  expect(stdout).toMatch(/^1\d\.\d answers, 2\d\.\d documents, 0\.\d kB of requests a second/m);
  const { info, samples } = await readRun(out);
  expect(info).toMatchObject({
    ...{ mode: 'rate', rate: null, durationMs: 1000, labels: { memory: '3072', x: 'y' }, version: '0.1.0' },
    text: { requests: 2, documents: 3, characters: 14 },
  });
  const sizes = [...samples].map(({ documents, characters }) => `${documents}/${characters}`);
  expect([sizes.filter((size) => size === '2/10').length, sizes.filter((size) => size === '1/4').length]).toEqual([
    8, 7,
  ]);
  expect(server.seen.map(({ body }) => body).sort()).toEqual([
    ...Array(7).fill('{"text":"Łódź"}'),
    ...Array(8).fill('{"texts":["Oslo","Bergen"]}'),
  ]);
  expect(code).toBe(0);
});

test('--cross-check has autocannon fire the same burst, or says why not', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { code, stdout } = await run([server.url.href, '-n', '6', '--cross-check']);
  expect(stdout).toMatch(
    /^cross-check: autocannon, one burst: 6 answers and 0 errors, median [\d.]+ m?s; here 6 and 0, median [\d.]+ m?s\.$/m,
  );
  expect({ code, seen: server.seen.length }).toEqual({ code: 0, seen: 12 });
  const steady = await run([server.url.href, '--rate', '5', '--duration', '200ms', '--cross-check', '--json']);
  expect(JSON.parse(steady.stdout).crossCheck).toContain('one request a connection alone');
  expect(server.seen.length).toBe(13);
});

test('bursts go off at their interval, each told and kept as soon as it is over', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 2));
  const out = temporary('run.ndjson');
  const args = [server.url.href, '-n', '4', '--bursts', '3', '--every', '700ms', '--out', out];
  const { code, stdout, stderr } = await run(args);
  expect(stderr).toContain('3 bursts of 4 every 700 ms to ');
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
  expect(told(readFileSync(out, 'utf8'))).toBe(false);
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
    const load = ['-n', '6', '--bursts', '5', '--every', '50ms'];
    const { code, stdout } = await run([server.url.href, ...load, ...failIf.flatMap((text) => ['--fail-if', text])]);
    return [code, stdout.match(/^(held|broken|undecided)(?=: fail if)/gm)];
  };
  expect(await judged('timeout > 0', 'warm.p50 > 30s')).toEqual([0, ['held', 'held']]);
  expect(await judged('timeout > 0', 'all.p50 > 0.001ms')).toEqual([1, ['held', 'broken']]);
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
  expect(stdout).toBe(`5 bursts of 200 every 90 s to http://ner.invalid/nlp/ner
  requests  1,000
  time      6 min, at most 7 min if answers time out
  cost      about $0.02, if Lambda bills 1 s each at 1769 MB (arm64)
  limit     100 a minute may cut this: up to 200 in a calendar minute; Kong counts late, so it may let more of one burst through
Nothing was sent.
`);
  expect(code).toBe(0);
});

test('somebody else on the key, and a limit that is not the expected one, are told once', async () => {
  await using server = await listen((response, nth) => {
    const told = { 'ratelimit-limit': '60', 'ratelimit-remaining': String(20 - nth), 'ratelimit-reset': '30' };
    response.writeHead(200, told).end('{}');
  });
  const { stderr } = await run([server.url.href, '-n', '2', '--bursts', '2', '--every', '100ms']);
  expect(stderr.match(/^Somebody else uses this key/gm)).toHaveLength(1);
  expect(stderr).toContain(`The answers of ${server.url.origin} tell a limit of 60 a minute, not 100.\n`);
});

test('each of two gateways counts for itself', async () => {
  const gateway = (limit: number) =>
    listen((response, nth) => {
      const told = { 'ratelimit-limit': limit, 'ratelimit-remaining': limit - 1 - nth, 'ratelimit-reset': 30 };
      response.writeHead(200, { ...told, 'x-ner-cold-start': '0' }).end('{}');
    });
  await using a = await gateway(100);
  await using b = await gateway(20);
  const [out, againstOut] = [temporary('a.ndjson'), temporary('b.ndjson')];
  const files = ['--out', out, '--against', b.url.href, '--against-out', againstOut];
  const { stdout, stderr } = await run([a.url.href, '-n', '2', '--bursts', '5', '--every', '100ms', ...files]);
  expect(stdout.split('sent 10 = 10 ok')).toHaveLength(3);
  expect(stderr).not.toContain('Somebody else');
  expect(stderr).toContain(`The answers of ${b.url.origin} tell a limit of 20 a minute, not 100.\n`);
});

test('a burst in which nothing succeeds says so and exits with 1', async () => {
  await using server = await listen((response) => response.writeHead(500).end());
  const { code, stdout } = await run([server.url.href, '-n', '4']);
  expect(stdout).toContain('None of 4 requests succeeded (HTTP 500 × 4).');
  expect(code).toBe(1);
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
