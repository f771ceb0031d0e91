import { EventEmitter, once } from 'node:events';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { readRun } from '../src/run/run-file.js';
import { readSamples, run, start, temporary } from './command.js';
import { answerNer, listen } from './server.js';

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
  // It may be gone only when the connections of the third burst are open.
  expect(stdout).toMatch(/^sent (4 = 4 ok|6 = 4 ok \+ 2 connection-error)$/m);
  expect(stderr).toContain('error: Cannot connect to');
  expect(code).toBe(3);
});

test('a closed loop whose target goes away is no result', async () => {
  const server = await listen((response, nth) => {
    if (nth < 40) answerNer(response, false);
    else if (nth === 40) void server.close();
  });
  const out = temporary('run.ndjson');
  const { code, stdout, stderr } = await run([server.url.href, '--duration', '60s', '--out', out]);
  // Of each connection at most the request that was under way.
  expect(Number(/^sent \d+ = 40 ok \+ (\d+) connection-error$/m.exec(stdout)?.[1])).toBeLessThanOrEqual(10);
  expect(stderr).toMatch(/error: 127\.0\.0\.1:\d+ went away: .* see whether it still runs\.\n$/);
  expect({ code, end: (await readRun(out)).end }).toEqual({ code: 3, end: 'interrupted' });
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s keeps what was measured', async (signal) => {
  const out = temporary('run.ndjson');
  const asked = new EventEmitter();
  await using server = await listen((response, nth) => {
    if (nth < 4) answerNer(response, false);
    if (nth === 5) asked.emit('all');
  });
  const { child, ended } = start([server.url.href, '-n', '6', '--out', out]);
  await once(asked, 'all');
  // The first answers are on their way: give the command the time to read them.
  setTimeout(() => child.kill(signal), 300);
  const { code, stdout } = await ended;
  expect(stdout).toContain('sent 6 = 4 ok + 2 cut');
  expect(await readSamples(out)).toHaveLength(6);
  expect(code).toBe(130);
});

test('Ctrl-C between bursts ends the wait, and keeps the bursts before', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const out = temporary('run.ndjson');
  const { child, ended } = start([server.url.href, '-n', '2', '--bursts', '2', '--every', '10m', '--out', out]);
  await expect.poll(() => readFileSync(out, 'utf8')).toContain('"type":"burst"');
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect(stdout).toContain('sent 2 = 2 ok');
  expect(await readRun(out)).toMatchObject({ end: 'interrupted', bursts: [{ burst: 0 }] });
  expect(code).toBe(130);
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
  ['no such text', [HERE, '--text-file', '/no/such.txt'], {}, 'Cannot read /no/such.txt (ENOENT).'],
  ['no text', [HERE, '--text', ''], {}, '--text is empty: the function would answer 400.'],
  ['a text file without text', [HERE, '--text-file', '/dev/null'], {}, '/dev/null is empty'],
  ['both kinds of load', [HERE, '-n', '5', '--duration', '1s'], {}, "'--duration <time>' cannot be used with"],
  ['connections of a burst', [HERE, '--connections', '5'], {}, '--connections goes with --duration'],
  ['texts of nothing', [HERE, '--texts', '5'], {}, '--texts and --random go with --requests'],
  ['no such requests', [HERE, '--requests', '/no/such.jsonl'], {}, 'Cannot read /no/such.jsonl (ENOENT).'],
  ['no stage', [HERE, '--stages', '20'], {}, 'give stages such as 20@1m,20-100@5m,100@1m'],
  ['no label', [HERE, '--label', 'memory'], {}, 'give a label such as memory=3072'],
  ['no number', [HERE, '-n', '1.5'], {}, 'give a whole number from 1 to 99999'],
  ['no time', [HERE, '--timeout', 'soon'], {}, 'give a time such as 500ms, 60s, 2m or 1h'],
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
  ['too few bursts to compare', [HERE, '--against', HERE, '--bursts', '4'], {}, 'it takes 5 of each: give --bursts 5'],
  ['one file for two', [HERE, '--out', 'x', '--html', './x'], {}, '--html must be different files'],
  ['no room for a page', [HERE, '--html', '/no/such/x.html'], {}, 'Cannot write /no/such/x.html (ENOENT)'],
  ['too little memory', [HERE, '--label', 'memory=64'], {}, 'give whole MB from 128 to 10240'],
  ['too much memory', [HERE, '--label', 'memory=99999'], {}, 'give whole MB from 128 to 10240'],
  ['an address with a password', ['ftp://me:hunter2@host/x'], {}, 'url must start with http:// or https://'],
  ['a second one', [HERE, '--against', 'http://me:hunter2@host'], {}, '--against must include the route'],
  [
    'a cross-check of two',
    [HERE, '--against', HERE, '--bursts', '5', '--cross-check'],
    {},
    '--cross-check goes with one',
  ],
  ['a page of two', [HERE, '--against', HERE, '--html', 'x.html'], {}, '--html goes with one target'],
])('%s is one sentence and exit code 3', async (_name, args, env, sentence) => {
  const { code, stdout, stderr } = await run(args, env);
  expect(stderr).toContain(sentence);
  expect(stderr).not.toContain('hunter2');
  // Before it there may be what the run would have taken.
  expect(stderr.replace(/^one burst of .*\n( {2}.*\n){4}/, '').trimEnd()).not.toContain('\n');
  expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
});

test('a file that cannot be written is told before any load', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { code, stderr } = await run([server.url.href, '--out', '/no/such/run.ndjson']);
  expect(stderr).toContain('error: Cannot write /no/such/run.ndjson (ENOENT)');
  expect({ code, seen: server.seen }).toEqual({ code: 3, seen: [] });
});

test('the file of an earlier run is not overwritten', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const out = temporary('run.ndjson');
  expect((await run([server.url.href, '-n', '2', '--out', out])).code).toBe(0);
  const { code, stderr } = await run([server.url.href, '-n', '2', '--out', out]);
  expect(stderr).toContain(`error: ${out} holds something already; give another name, or delete it.`);
  expect({ code, seen: server.seen.length }).toEqual({ code: 3, seen: 2 });
  expect(await readRun(out)).toMatchObject({ end: 'complete', samples: { length: 2 } });
});

test('of two runs with one file the second is refused', async () => {
  await using server = await listen((response) => setTimeout(() => answerNer(response, false), 3000));
  const out = temporary('run.ndjson');
  const first = start([server.url.href, '-n', '1', '--out', out]);
  await expect.poll(() => readFileSync(out, 'utf8')).toContain('"type":"run"');
  const second = await run([server.url.href, '-n', '1', '--out', out]);
  expect(second).toMatchObject({ code: 3, stderr: expect.stringContaining(`${out} holds something already`) });
  expect((await first.ended).code).toBe(0);
  expect(await readRun(out)).toMatchObject({ end: 'complete', samples: { length: 1 } });
});

test('a report that nobody reads to its end is a sentence, and no verdict', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { child, ended } = start([server.url.href, '-n', '1']);
  child.stdout.destroy();
  const { code, stderr } = await ended;
  expect(stderr).toContain('error: Cannot write standard output (EPIPE).');
  expect(code).toBe(4);
});

test('progress that nobody reads ends nothing', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const { child, ended } = start([server.url.href, '-n', '1']);
  child.stderr.destroy();
  const { code, stdout } = await ended;
  expect(stdout).toContain('sent 1 = 1 ok');
  expect(code).toBe(0);
});

test('a rate that takes more connections than this process may have ends with a sentence', async () => {
  await using server = await listen((response, nth) => void (nth < 5 && answerNer(response, false)));
  const limited = ['sh', '-c', 'ulimit -n 120; exec "$0" "$@"', process.execPath];
  const args = [server.url.href, '--rate', '100', '--duration', '60s', '--timeout', '3s'];
  const { stdout, stderr, code } = await start(args, {}, limited).ended;
  expect(stdout).toMatch(/^sent \d+ = 5 ok \+ \d+ timeout \+ \d+ connection-error/m);
  expect(stderr).toMatch(/error: Cannot connect to .*: this process may not open so many files; .* \(EMFILE\)\.\n$/);
  expect(code).toBe(3);
});

test('a page replaces no run, by whatever name', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const out = temporary('run.ndjson');
  const link = temporary('link.html');
  symlinkSync(out, link);
  const { code, stderr } = await run([server.url.href, '-n', '1', '--out', out, '--html', link]);
  expect(stderr).toContain(`error: --html would replace ${out}.`);
  expect({ code, seen: server.seen }).toEqual({ code: 3, seen: [] });
});

test('a page for which there is no room leaves the one before', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const limited = ['sh', '-c', 'ulimit -f 8; trap "" XFSZ; exec "$0" "$@"', process.execPath];
  const html = temporary('page.html');
  writeFileSync(html, 'the page of yesterday');
  const { stdout, stderr, code } = await start([server.url.href, '-n', '1', '--html', html], {}, limited).ended;
  expect(stdout).toContain('sent 1 = 1 ok');
  expect(stderr).toContain(`error: Cannot write ${html} (EFBIG)`);
  expect(code).toBe(3);
  expect(readFileSync(html, 'utf8')).toBe('the page of yesterday');
  expect(readdirSync(dirname(html))).toEqual(['page.html']);
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
