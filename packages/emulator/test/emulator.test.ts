import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { Agent, request } from 'undici';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type EmulatorOptions, startEmulator } from '../src/index.js';
import { exists, folderOf, later, PYTHON } from './function.js';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const KONG = path.join(PACKAGE, '../../kong/kong.yaml');

// Tells what reached it, and whether it came from the gateway.
const HANDLER = `
import hashlib, json, os
def handler(event, context):
    secret = event["headers"].get("x-origin-secret", "")
    trusted = hashlib.sha256(secret.encode()).hexdigest() == os.environ["ORIGIN_SECRET_SHA256"]
    seen = {"pid": os.getpid(), "trusted": trusted, "apikey": event["headers"].get("apikey"), "body": event["body"],
            "model": os.environ["SPACY_MODEL_PATH"], "deck": [name for name in os.environ if "DECK" in name]}
    if event["body"] == "raise": raise ValueError(event["body"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(seen)}
`;
const SLOW = 'import os, time; open("pid-%d" % os.getpid(), "w"); time.sleep(60)';
const service = (python = HANDLER) => folderOf({ 'burst_ner/handler.py': python });
const post = async (endpoint: string, apikey: string, body = 'a text') => {
  const headers = { apikey, 'x-origin-secret': 'a guess', 'content-type': 'text/plain' };
  const response = await request(endpoint, { method: 'POST', headers, body });
  return { statusCode: response.statusCode, json: () => response.body.json() as Promise<Record<string, unknown>> };
};
const started = (folder: string) =>
  vi.waitFor(
    () => {
      const name = readdirSync(folder).find((file) => file.startsWith('pid-'));
      return Number(name?.slice(4) ?? expect.fail('not started'));
    },
    { timeout: 20_000, interval: 10 },
  );

describe('startEmulator', () => {
  async function start(options: Partial<EmulatorOptions> = {}) {
    const emulator = await startEmulator({
      kong: KONG,
      service: service(),
      python: PYTHON,
      model: '/',
      env: {},
      ...options,
    });
    later(() => emulator.close());
    return emulator;
  }

  it('serves the function behind the gateway, with keys and a secret made up for it', async () => {
    const { endpoint, keys, generatedKeys, runtime, stats } = await start();
    const response = await post(endpoint, keys['batch-processor']);
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
    expect((await post(endpoint, 'another')).statusCode).toBe(401);
    expect(keys['batch-processor']).not.toBe(keys['load-generator']);
    expect(generatedKeys).toEqual(['batch-processor', 'load-generator']);
    expect(runtime).toBe(process.platform === 'linux' ? 'awslambdaric' : 'compat runtime');
    expect(stats()).toMatchObject({ requests: 2, coldStarts: 1 });
  });

  it("says where the Function URL is, which takes a request without the gateway's secret", async () => {
    const { functionUrl } = await start();
    const dispatcher = new Agent({ connect: { ca: functionUrl.ca } });
    later(() => dispatcher.destroy());
    const { body } = await request(functionUrl.url, { method: 'POST', body: 'a text', dispatcher });
    expect(await body.json()).toMatchObject({ trusted: false });
  });

  it('takes keys from the environment', async () => {
    const { endpoint, keys, generatedKeys } = await start({ env: { DECK_BATCH_PROCESSOR_KEY: 'my-own-key' } });
    expect(keys['batch-processor']).toBe('my-own-key');
    expect(generatedKeys).toEqual(['load-generator']);
    expect((await post(endpoint, 'my-own-key')).statusCode).toBe(200);
  });

  it('starts provisioned environments and can use the compat runtime', async () => {
    const { endpoint, keys, runtime, stats } = await start({ provisioned: 1, compat: true });
    expect(runtime).toBe('compat runtime');
    expect((await post(endpoint, keys['batch-processor'])).statusCode).toBe(200);
    expect(stats()).toMatchObject({ coldStarts: 0, environments: { idle: 1 } });
  });

  it('tells of a function error without its message, which may quote a document', async () => {
    const onEvent = vi.fn();
    const { endpoint, keys } = await start({ onEvent });
    expect((await post(endpoint, keys['batch-processor'], 'raise')).statusCode).toBe(502);
    expect(onEvent).toHaveBeenLastCalledWith(
      expect.objectContaining({ event: 'function error', errorType: 'ValueError' }),
    );
    expect(JSON.stringify(onEvent.mock.calls)).not.toContain('raise');
  });

  it('leaves nothing behind: closed, closed twice, or stopped while it starts', async () => {
    const emulator = await start();
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

  function up(args: string[], env: Record<string, string> = {}) {
    const all = ['up', '--kong', KONG, '--python', PYTHON, '--model', '/', '--port', '0', ...args];
    const { DECK_BATCH_PROCESSOR_KEY: _, ...own } = process.env;
    const child = spawn(process.execPath, [cli, ...all], {
      env: { ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    later(() => void child.kill('SIGKILL'));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    let errors = '';
    child.stderr.on('data', (data) => {
      errors += data;
    });
    const line = (match: RegExp) =>
      vi.waitFor(() => lines.find((text) => match.test(text)) ?? expect.fail(`no ${match} in ${lines}${errors}`), {
        timeout: 20_000,
        interval: 10,
      });
    const end = once(child, 'close').then(([code]) => ({ code, lines, errors }));
    return { child, line, end };
  }

  it('prints JSON lines, and stops on Ctrl-C with no process left', async () => {
    const log = path.join(folderOf({}), 'lambda.log');
    const { child, line, end } = up(['--service', service(), '--json', '--log', log]);
    const ready = JSON.parse(await line(/^/));
    expect(ready).toEqual({
      event: 'ready',
      endpoint: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/nlp\/ner$/),
      runtime: process.platform === 'linux' ? 'awslambdaric' : 'compat runtime',
      keys: { 'batch-processor': expect.any(String), 'load-generator': expect.any(String) },
    });
    const { pid } = await (await post(ready.endpoint, ready.keys['batch-processor'])).json();
    expect(JSON.parse(await line(/cold start/))).toMatchObject({ event: 'cold start', initMs: expect.any(Number) });
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 0, errors: '' });
    expect(exists(Number(pid))).toBe(false);
    expect(readFileSync(log, 'utf8')).toMatch(/^\S+Z \S+ REPORT RequestId/m);
  });

  it('prints a line to paste, without a key that it did not make up', async () => {
    const own = up(['--service', service()], { DECK_BATCH_PROCESSOR_KEY: 'my-own-key' });
    expect(await own.line(/curl/)).toContain('-H "apikey: $DECK_BATCH_PROCESSOR_KEY"');
    await own.line(/the key from DECK_BATCH_PROCESSOR_KEY/);
    own.child.kill('SIGTERM');
    const { code, lines } = await own.end;
    expect(code).toBe(0);
    expect(lines.join('\n')).not.toContain('my-own-key');
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
    const { line, end } = up(['--service', service(), '--json', '--log', log]);
    const { endpoint, keys } = JSON.parse(await line(/ready/));
    const { pid } = await (await post(endpoint, keys['batch-processor'])).json();
    reader.kill();
    await once(reader, 'exit');
    // Its log has no reader. Whether it is answered before all stops does not matter.
    await post(endpoint, keys['batch-processor']).catch(() => {});
    expect(await end).toMatchObject({
      code: 1,
      errors: `cannot write the log to ${log}: EPIPE: broken pipe, write; pass --log with another file\n`,
    });
    expect(exists(Number(pid))).toBe(false);
  });

  it.each<[string, (folder: string) => string[], RegExp]>([
    ['a model that is missing', () => ['--model', 'no/model'], /^no model at no\/model; pass --model with its path$/],
    [
      'a Python that is missing',
      () => ['--python', '/no/python'],
      /^no Python at \/no\/python: there is no such program; /,
    ],
    ['a kong.yaml that is missing', () => ['--kong', 'no.yaml'], /^no declarative Kong file at no\.yaml; /],
    [
      'a reference that has no value',
      (folder) => ['--kong', path.join(folder, 'reference.yaml')],
      /reference\.yaml, line 2: the environment variable DECK_NO_SUCH_THING is not set; /,
    ],
    ['a plugin that is unknown', (folder) => ['--kong', path.join(folder, 'plugin.yaml')], /plugin\.yaml:\d+: .*acme/],
    ['a function that cannot start', (folder) => ['--service', folder], /^the function does not start: no such model$/],
    [
      'a log that cannot be written',
      () => ['--log', '/no/such/folder/log'],
      /^cannot write the log to \/no\/such\/folder\/log: ENOENT.*; pass --log with another file$/,
    ],
    ['a port that is no number', () => ['--port', 'http'], /--port.*whole number/],
  ])('refuses %s in one sentence', async (_, args, sentence) => {
    const text = readFileSync(KONG, 'utf8');
    const folder = folderOf({
      'reference.yaml': `_format_version: "3.0"\nx: $\{{ env "DECK_NO_SUCH_THING" }}\n`,
      'plugin.yaml': text.replace('name: correlation-id', 'name: acme'),
      'burst_ner/handler.py': 'import sys; sys.exit("no such model")',
    });
    const { code, errors } = await up(['--service', service(), ...args(folder)]).end;
    expect(code).toBe(1);
    expect(errors.trim().split('\n')).toEqual([expect.stringMatching(sentence)]);
  });

  it('refuses a port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    later(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code, errors } = await up(['--service', service(), '--port', String(port)]).end;
    expect([code, errors]).toEqual([
      1,
      `port ${port} is in use; pass --port with another one, or 0 for any free one\n`,
    ]);
  });
});
