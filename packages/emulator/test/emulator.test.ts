import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY, told } from '../../../scripts/canaries.mjs';
import { type Emulator, type EmulatorEvent, type EmulatorOptions, startEmulator } from '../src/index.js';
import { appeared, exists, folderOf, later, makeFolder, PYTHON } from './function.js';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const KONG = path.join(PACKAGE, '../../kong/kong.yaml');

// Tells what reached it, and whether it came from the gateway.
const HANDLER = `
import hashlib, json, os, time
def handler(event, context):
    secret = event["headers"].get("authorization", "").removeprefix("Bearer ")
    trusted = hashlib.sha256(secret.encode()).hexdigest() == os.environ["ORIGIN_SECRET_SHA256"]
    seen = {"pid": os.getpid(), "trusted": trusted, "apikey": event["headers"].get("apikey"), "body": event["body"],
            "model": os.environ["SPACY_MODEL_PATH"], "deck": [name for name in os.environ if "DECK" in name]}
    if event["body"] == "sleep": time.sleep(60)
    if event["body"] == "raise": raise ValueError(event["body"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(seen)}
`;
// Runs a command on a terminal of 80 columns, sends one request when it is up, goes to the ordinary screen and back, and
// then ends it in one of two ways; or closes the terminal as soon as there is a view.
const PTY = `
import fcntl, os, pty, re, signal, struct, sys, termios, urllib.request
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
seen, step = b"", 0
try:
    while data := os.read(fd, 65536):
        seen += data
        sys.stdout.buffer.write(data)
        url = re.search(rb"http://127\\.0\\.0\\.1:\\d+/nlp/ner", seen)
        if sys.argv[1] == "hangup" and b"1049h" in seen:
            os.close(fd)
            break
        if step == 0 and url and b"1049h" in seen:
            key = re.search(rb"'apikey: (.+?)'", seen)
            key = key[1].decode() if key else os.environ["DECK_BATCH_PROCESSOR_KEY"]
            headers = {"apikey": key, "content-type": "text/plain"}
            urllib.request.urlopen(urllib.request.Request(url[0].decode(), b"a text", headers)).read()
            step = 1
        elif step == 1 and b"99 of 100 left" in seen and b"warm   " in seen.split(b"99 of 100 left")[-1]:
            os.write(fd, b"k")
            step = 2
        elif step == 2 and seen.count(b"1049l") == 1:
            os.write(fd, b"k")
            step = 3
        elif step == 3 and seen.count(b"1049h") == 2:
            if sys.argv[1] == "signal": os.kill(pid, signal.SIGTERM)
            else: os.write(fd, b"\\x03")
            step = 4
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
const SLOW = 'import os, time; open("pid-%d" % os.getpid(), "w"); time.sleep(60)';
const service = (python = HANDLER) => folderOf({ 'burst_ner/handler.py': python });
const post = async (endpoint: string, apikey = KEY, body = 'a text') => {
  const headers = { apikey, authorization: 'Bearer a guess', 'content-type': 'text/plain' };
  const response = await request(endpoint, { method: 'POST', headers, body });
  return { statusCode: response.statusCode, json: () => response.body.json() as Promise<Record<string, unknown>> };
};
const started = async (folder: string) => Number(await appeared(folder, 'pid-'));

const start = (options: Partial<EmulatorOptions> = {}) =>
  startEmulator({ kong: KONG, service: service(), python: PYTHON, model: '/', env: {}, ...options });

describe('startEmulator', () => {
  // 20 s into a minute, and standing still.
  const now = () => Date.UTC(2026, 0, 5, 12, 0, 20);
  const events: EmulatorEvent[] = [];
  const folder = makeFolder({ 'burst_ner/handler.py': HANDLER });
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await start({
      service: folder,
      env: { DECK_BATCH_PROCESSOR_KEY: KEY },
      ...{ now, onEvent: (event) => void events.push(event) },
    });
  });
  afterAll(async () => {
    await emulator.close();
    rmSync(folder, { recursive: true });
  });

  it('serves the function behind the gateway, with keys given or made up, and a secret', async () => {
    const { endpoint, keys, generatedKeys, runtime, environments } = emulator;
    const response = await post(endpoint);
    expect(response.statusCode).toBe(200);
    expect(await response.json()).toEqual({
      pid: expect.any(Number),
      trusted: true,
      apikey: null,
      body: 'a text',
      model: '/',
      deck: [],
    });
    expect((await post(endpoint, keys['load-generator'])).statusCode).toBe(200);
    expect((await post(endpoint, 'another-key')).statusCode).toBe(401);
    const madeUp = expect.stringMatching(/^[\w-]{32}$/);
    expect(keys).toEqual({ 'batch-processor': KEY, 'load-generator': madeUp, page: madeUp });
    expect(generatedKeys).toEqual(['load-generator']);
    expect(runtime).toBe(process.platform === 'linux' ? 'awslambdaric' : 'compat runtime');
    expect(environments()).toMatchObject([{ requests: 2, ahead: false }]);
  });

  it("says where the Function URL is, which takes a request without the gateway's secret", async () => {
    const { url, ca } = emulator.functionUrl;
    const dispatcher = new Agent({ connect: { ca } });
    later(() => dispatcher.destroy());
    const { body } = await request(url, { method: 'POST', body: 'a text', dispatcher });
    expect(await body.json()).toMatchObject({ trusted: false });
  });

  it('tells of every answer with the budget, of function errors without their message, and never of a key', async () => {
    const { endpoint, keys, environments } = emulator;
    const answers = () => events.flatMap((event) => (event.event === 'answer' ? [event] : []));
    await post(endpoint);
    expect((await post(endpoint, KEY, 'raise')).statusCode).toBe(502);
    await post(endpoint, 'another-key');
    // Bytes that are no request.
    const socket = connect(Number(new URL(endpoint).port), '127.0.0.1', () => socket.write('no request\r\n\r\n'));
    await once(socket.resume(), 'end');
    // A caller that does not wait for its answer.
    const leave = new AbortController();
    const headers = { apikey: KEY, 'content-type': 'text/plain' };
    const left = request(endpoint, { method: 'POST', headers, body: 'sleep', signal: leave.signal });
    const gone = expect(left).rejects.toThrow('abort');
    await expect.poll(() => environments().map(({ state }) => state)).toContain('busy');
    leave.abort();
    await gone;
    await expect.poll(() => answers().at(-1)?.broken).toBe(true);
    const last = answers().slice(-5);
    const remaining = last[0]?.remaining ?? 0;
    const known = { consumer: 'batch-processor', route: 'nlp-ner-route', limit: 100, resetS: 40 };
    expect(last).toMatchObject([
      { ...known, method: 'POST', path: '/nlp/ner', status: 200, broken: false, by: 'upstream' },
      { ...known, status: 502, by: 'upstream', remaining: remaining - 1 },
      { status: 401, by: 'gateway', consumer: undefined },
      { status: 400, by: 'gateway', route: undefined },
      { ...known, status: 0, broken: true, remaining: remaining - 2 },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ event: 'function error', errorType: 'ValueError' }));
    const all = JSON.stringify(events);
    for (const secret of [...Object.values(keys), 'another-key', 'raise']) expect(all).not.toContain(secret);
  });

  it('has provisioned environments and some ahead of need, by the compat runtime too, and scales time', async () => {
    const { endpoint, keys, runtime, environments, close } = await start({
      ...{ provisioned: 1, proactive: 1, timeScale: 20, compat: true },
    });
    later(close);
    expect(runtime).toBe('compat runtime');
    expect(environments().map(({ state, ahead, initType }) => [state, ahead, initType])).toEqual([
      ['warm', true, 'provisioned-concurrency'],
      ['warm', true, 'on-demand'],
    ]);
    const key = keys['batch-processor'];
    expect((await post(endpoint, key)).statusCode).toBe(200);
    expect(environments()).toMatchObject([{ ahead: true }, { ahead: true }]);
    // After 1.5 s.
    expect((await post(endpoint, key, 'sleep')).statusCode).toBe(502);
  });

  it.each<[startsAtOnce: number, overlap: boolean]>([
    [1, false],
    [3, true],
  ])('initialises %i at once, of whatever handler is named', async (startsAtOnce, overlap) => {
    const folder = folderOf({
      'own.py': `
import json, time
began = time.monotonic()
time.sleep(0.3)
ended = time.monotonic()
def answer(event, context):
    time.sleep(2)
    return {"statusCode": 200, "body": json.dumps([began, ended])}
`,
    });
    const emulator = await start({ service: folder, handler: 'own.answer', startsAtOnce });
    later(() => emulator.close());
    const inits = await Promise.all(
      [0, 1, 2].map(
        async () => (await (await post(emulator.endpoint, emulator.keys['load-generator'])).json()) as unknown,
      ),
    );
    const [first, second, third] = (inits as [began: number, ended: number][]).toSorted(([a], [b]) => a - b);
    if (!first || !second || !third) throw new Error('three requests were answered');
    expect(new Set(inits.map(String)).size, 'environments').toBe(3);
    expect(second[0] < first[1] || third[0] < second[1]).toBe(overlap);
  });

  it('leaves nothing behind: closed, closed twice, or stopped while it starts', async () => {
    const emulator = await start({ provisioned: 1 });
    const { pid } = await (await post(emulator.endpoint, emulator.keys['batch-processor'])).json();
    await emulator.close();
    await emulator.close();
    expect(exists(Number(pid))).toBe(false);
    await expect(request(emulator.url)).rejects.toThrow('ECONNREFUSED');
    const stop = new AbortController();
    const slow = service(SLOW);
    const starting = expect(start({ service: slow, signal: stop.signal })).rejects.toThrow('aborted');
    const slowPid = await started(slow);
    expect(exists(slowPid)).toBe(true);
    stop.abort();
    await starting;
    expect(exists(slowPid)).toBe(false);
  });

  it.each<[string, (folder: string) => Partial<EmulatorOptions>, RegExp]>([
    ['a model that is missing', () => ({ model: 'no/model' }), /^no model at no\/model; pass --model with its path$/],
    [
      'a Python that is missing',
      () => ({ python: '/no/python' }),
      /^no Python at \/no\/python: there is no such program; /,
    ],
    ['a kong.yaml that is missing', () => ({ kong: 'no.yaml' }), /^no declarative Kong file at no\.yaml; /],
    ['a kong.yaml that is a folder', () => ({ kong: '/' }), /^no declarative Kong file at \/; /],
    [
      "a function's folder that is a file",
      () => ({ service: KONG }),
      /^no folder of the function's code at .*kong\.yaml; /,
    ],
    [
      'a reference that has no value',
      (folder) => ({ kong: path.join(folder, 'reference.yaml') }),
      /reference\.yaml, line 2: the environment variable DECK_NO_SUCH_THING is not set; /,
    ],
    ['a plugin that is unknown', (folder) => ({ kong: path.join(folder, 'plugin.yaml') }), /plugin\.yaml:\d+: .*acme/],
    [
      'a time-out that Lambda does not have',
      () => ({ timeoutMs: 900_001 }),
      /^a function time-out of 900\.001 s is none/,
    ],
    [
      'a time-out without time for work',
      () => ({ timeoutMs: 3000 }),
      /^a function time-out of 3 s leaves no time for w/,
    ],
    ['a memory size that Lambda does not have', () => ({ memoryMb: 10_241 }), /^--memory 10241 is no size that Lambda/],
    [
      'more provisioned than reserved concurrency',
      () => ({ provisioned: 30 }),
      /^provisioned concurrency 30 is above reserved concurrency 20, which AWS refuses; pass --reserved 30 or more$/,
    ],
  ])('refuses %s in one sentence', async (_, options, sentence) => {
    const folder = folderOf({
      'reference.yaml': `_format_version: "3.0"\nx: $\{{ env "DECK_NO_SUCH_THING" }}\n`,
      'plugin.yaml': readFileSync(KONG, 'utf8').replace('name: correlation-id', 'name: acme'),
    });
    await expect(start(options(folder))).rejects.toThrow(sentence);
  });

  it('refuses a port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    later(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const sentence = `port ${port} is in use; pass --port with another one, or 0 for any free one`;
    await expect(start({ port })).rejects.toThrow(sentence);
  });
});

describe('burst-ner-emulator up', () => {
  const cli = path.join(PACKAGE, '.cache/cli.js');
  beforeAll(() =>
    build({
      config: false,
      silent: true,
      skipNodeModulesBundle: true,
      format: 'esm',
      target: 'node20',
      entry: [path.join(PACKAGE, 'src/cli.ts')],
      outDir: path.dirname(cli),
      tsconfig: path.join(PACKAGE, 'tsconfig.json'),
    }),
  );

  function up(args: string[]) {
    const all = ['up', '--kong', KONG, '--python', PYTHON, '--model', '/', '--port', '0', ...args];
    const child = spawn(process.execPath, [cli, ...all], {
      env: { ...process.env, DECK_BATCH_PROCESSOR_KEY: KEY },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    later(() => void child.kill('SIGKILL'));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    let errors = '';
    child.stderr.on('data', (data) => {
      errors += data;
    });
    const line = async (match: RegExp) => {
      const found = () => lines.find((text) => match.test(text)) ?? expect.fail(`no ${match} in ${lines}${errors}`);
      await expect.poll(found).toMatch(match);
      return found();
    };
    const end = once(child, 'close').then(([code]) => {
      expect(told(lines + errors), 'the key is told').toBe(false);
      return { code, lines, errors };
    });
    return { child, line, end };
  }

  it('prints JSON lines, reads kong.yaml again on SIGHUP, and stops on Ctrl-C with no process left', async () => {
    const text = readFileSync(KONG, 'utf8');
    const folder = folderOf({ 'kong.yaml': text });
    const [kong, log] = [path.join(folder, 'kong.yaml'), path.join(folder, 'lambda.log')];
    const { child, line, end } = up(['--service', service(), '--json', '--log', log, '--kong', kong]);
    const ready = JSON.parse(await line(/^/));
    expect(ready).toEqual({
      event: 'ready',
      endpoint: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/nlp\/ner$/),
      functionUrl: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/$/),
      runtime: process.platform === 'linux' ? 'awslambdaric' : 'compat runtime',
      page: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/),
    });
    const { pid } = await (await post(ready.endpoint)).json();
    expect(JSON.parse(await line(/cold start/))).toMatchObject({ event: 'cold start', initMs: expect.any(Number) });

    const elsewhere = ready.endpoint.replace('/nlp/ner', '/other');
    const reload = async (changed: string, told: RegExp) => {
      writeFileSync(kong, changed);
      child.kill('SIGHUP');
      return JSON.parse(await line(told));
    };
    expect(await reload(text.replaceAll('/nlp/ner', '/other'), /"reload"/)).toEqual({ event: 'reload', file: kong });
    expect((await post(elsewhere)).statusCode).toBe(200);
    const { error } = await reload(text.replace('name: correlation-id', 'name: acme'), /acme/);
    expect(error).toMatch(/kong\.yaml:\d+: .*acme/);
    expect((await post(elsewhere)).statusCode).toBe(200);

    child.kill('SIGINT');
    const { lines, ...rest } = await end;
    expect(rest).toEqual({ code: 0, errors: '' });
    expect(exists(Number(pid))).toBe(false);
    expect(readFileSync(log, 'utf8')).toMatch(/^\S+Z \S+ REPORT RequestId/m);
  });

  it.runIf(process.platform === 'linux').each([
    ['a Ctrl-C typed', '\\x03', ''],
    ['SIGTERM', 'signal', KEY],
  ])('shows a view on a terminal, without the key, and leaves it as it was after %s', async (_, how, given) => {
    const args = ['up', '--kong', KONG, '--python', PYTHON, '--model', '/', '--port', '0', '--service', service()];
    const child = spawn(PYTHON, ['-c', PTY, how, process.execPath, cli, ...args], {
      env: { ...process.env, TERM: 'xterm-256color', DECK_BATCH_PROCESSOR_KEY: given },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    later(() => void child.kill('SIGKILL'));
    let seen = '';
    child.stdout.on('data', (data) => {
      seen += data;
    });
    const [code] = await once(child, 'close');
    expect(code, seen).toBe(0);
    const [before = '', ...views] = seen.split('\x1b[?1049h');
    const [first = '', second = ''] = views.map((view) => view.split('\x1b[?1049l')[0]);
    expect(before).toContain('Kong and Lambda are up');
    const page = /^ {2}page +(http:\/\/127\.0\.0\.1:\d+\/)\r?$/m.exec(before)?.[1];
    expect(first).toContain(page ?? 'no page');
    expect(first).toContain('\x1b[?25l');
    expect(first).toContain('99 of 100 left');
    expect(first.replaceAll('\x1b[0m', '')).toMatch(/○ warm {3}[0-9a-f]{8} {2}1 /);
    // After the ordinary screen it is drawn whole.
    for (const view of [first, second]) {
      expect(view).toContain('Burst NER emulator');
      expect(view.endsWith('\x1b[?7h\x1b[?25h')).toBe(true);
    }
    expect(seen.split('\x1b[?1049l').at(-1)).toMatch(/^1 answers, 1 cold starts/);
    const made = /^ {2}key +(\S{32})\r?$/m.exec(before)?.[1];
    if (given) {
      expect(seen).not.toContain(given);
      expect(first).toContain('the key from DECK_BATCH_PROCESSOR_KEY');
    } else {
      expect(before).toContain(`-H 'apikey: ${made}'`);
      expect(first).toContain(`${made?.slice(0, 4)}…${made?.slice(-4)}`);
      expect(views.join()).not.toContain(made);
    }
  });

  it.runIf(process.platform === 'linux')('leaves no process even when it is killed itself', async () => {
    const folder = service(`import os, time
open("pid-%d" % os.getpid(), "w")
while os.path.exists("hold"): time.sleep(0.005)
def handler(event, context):
    open("in-%s" % event["body"], "w")
    while os.path.exists(event["body"]): time.sleep(0.005)
    return {"statusCode": 200, "body": "done"}
`);
    const touch = (name: string) => writeFileSync(path.join(folder, name), '');
    const pids = () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('pid-'))
        .map((name) => Number(name.slice(4)))
        .filter(exists);
    const { child, line } = up(['--service', folder, '--json', '--proactive', '1']);
    const { endpoint } = JSON.parse(await line(/ready/));
    // One that is idle, one in a request, one that initialises.
    touch('busy');
    const requests = [post(endpoint, KEY, 'busy')];
    await expect.poll(() => readdirSync(folder)).toContain('in-busy');
    await expect.poll(() => pids()).toHaveLength(2);
    touch('hold');
    for (const body of ['x', 'y']) requests.push(post(endpoint, KEY, body));
    const settled = Promise.allSettled(requests);
    await expect.poll(() => pids().length).toBeGreaterThan(2);
    child.kill('SIGKILL');
    expect((await settled).map(({ status }) => status)).toContain('rejected');
    // What is at work ends with its work, and what waits ends at once.
    for (const name of ['hold', 'busy']) rmSync(path.join(folder, name));
    await expect.poll(() => pids()).toEqual([]);
  });

  it.runIf(process.platform === 'linux')('ends with its terminal', async () => {
    const folder = service('import os; open("pid-%d" % os.getpid(), "w")\ndef handler(event, context): pass');
    const args = ['up', '--kong', KONG, '--python', PYTHON, '--model', '/', '--port', '0', '--provisioned', '1'];
    const child = spawn(PYTHON, ['-c', PTY, 'hangup', process.execPath, cli, ...args, '--service', folder], {
      env: { ...process.env, TERM: 'xterm-256color' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    later(() => void child.kill('SIGKILL'));
    const [code] = await once(child, 'close');
    expect(code, 'ended by SIGHUP, which is -1 to Python').toBe(255);
    expect(readdirSync(folder).filter((name) => name.startsWith('pid-') && exists(Number(name.slice(4))))).toEqual([]);
  });

  it('stops on Ctrl-C while it starts', async () => {
    const slow = service(SLOW);
    const { child, end } = up(['--service', slow]);
    const pid = await started(slow);
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 0, errors: '' });
    expect(exists(pid)).toBe(false);
  });

  it('stops with one sentence when its log can no longer be written', async () => {
    const log = path.join(folderOf({}), 'log');
    execFileSync('mkfifo', [log]);
    const reader = spawn('cat', [log], { stdio: 'ignore' });
    later(() => void reader.kill());
    const { line, end } = up(['--service', service(), '--json', '--no-page', '--log', log]);
    const { endpoint, page } = JSON.parse(await line(/ready/));
    expect(page).toBeUndefined();
    const { pid } = await (await post(endpoint)).json();
    reader.kill();
    await once(reader, 'exit');
    // Its log has no reader. Whether it is answered before all stops does not matter.
    await post(endpoint).catch(() => {});
    expect(await end).toMatchObject({
      code: 1,
      errors: `cannot write the log to ${log}: EPIPE: broken pipe, write; pass --log with another file\n`,
    });
    expect(exists(Number(pid))).toBe(false);
  });

  it.each<[string, string[], RegExp]>([
    // What it says of itself does not command the terminal.
    ['a function that cannot start', [], /^the function does not start: no such \ufffd\[31mmodel$/],
    [
      'a log that cannot be written',
      ['--log', '/no/such/folder/log'],
      /^cannot write the log to \/no\/such\/folder\/log: ENOENT.*; pass --log with another file$/,
    ],
    ['a memory size that is none', ['--memory', '64'], /--memory 64 is no size that Lambda has; pass 128 to 10240/],
    ['a rate that is none', ['--slow-store', '0'], /--slow-store.*number above 0/],
    ['a port that is no number', ['--port', 'http'], /--port.*whole number/],
    ['a port that is none', ['--function-port', '65536'], /--function-port.*0 to 65535/],
  ])('refuses %s in one sentence', async (_, args, sentence) => {
    const { code, errors } = await up(['--service', service('import sys; sys.exit("no such \x1b[31mmodel")'), ...args])
      .end;
    expect(code).toBe(1);
    expect(errors.trim().split('\n')).toEqual([expect.stringMatching(sentence)]);
  });
});
