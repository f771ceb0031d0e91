// What a platform team does with these files: merge, patch, sync, compose.
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { DCLinter } from 'dclint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../packages/emulator/src/gateway/config.js';
import { startGateway } from '../packages/emulator/src/gateway/gateway.js';
import { root } from '../scripts/step.mjs';
import { render } from './render.mjs';

type File = Record<string, unknown>;

const source = (name: string) => readFileSync(path.join(root, name), 'utf8');
const env = {
  DECK_NER_FUNCTION_URL: 'https://abc.lambda-url.eu-west-1.on.aws/',
  DECK_NER_ORIGIN_SECRET: 'origin',
  DECK_BATCH_PROCESSOR_KEY: 'batch',
  DECK_LOAD_GENERATOR_KEY: 'load',
  DECK_BATCH_PROCESSOR_KEY_OLD: 'old',
  DECK_NER_REDIS_HOST: 'redis.example.com',
  DECK_NER_REDIS_PASSWORD: 'password',
};
const rendered = () => parse(render(source('kong/kong.yaml'), env)) as File;
const config = (file: File) => parseConfig('kong.yaml', stringify(file));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-kong-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** As `deck file merge`: arrays at the top are joined, and format and `_transform` must agree. */
function merge(a: File, b: File): File {
  expect([b['_format_version'], b['_transform']]).toEqual([a['_format_version'], a['_transform']]);
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const join = (key: string) =>
    Array.isArray(b[key]) ? [...((a[key] as unknown[]) ?? []), ...b[key]] : (b[key] ?? a[key]);
  return Object.fromEntries(keys.map((key) => [key, join(key)]));
}

/** Every object and array of a file. */
const nodes = (node: unknown): unknown[] =>
  typeof node === 'object' && node !== null ? [node, ...Object.values(node).flatMap(nodes)] : [];

const limits = (file: File) =>
  nodes(file).filter((node): node is { config: File } => (node as File)['name'] === 'rate-limiting');

interface Patch {
  selectors: string[];
  values: File | unknown[];
}
const patchesOf = (name: string) => {
  const { _format_version, patches } = parse(render(source(name), env)) as {
    _format_version: string;
    patches: Patch[];
  };
  expect(_format_version).toBe('1.0');
  return patches;
};

test("the rendered file merges into a central one, beside other people's routes", () => {
  const central = {
    _format_version: '3.0',
    services: [
      { name: 'billing', url: 'https://billing.example.com', routes: [{ name: 'billing', paths: ['/billing'] }] },
    ],
    consumers: [{ username: 'alice', keyauth_credentials: [{ key: 'key-of-alice' }] }],
  };
  const { services, credentials } = config(merge(central, rendered()));
  expect(services.map(({ name, routes }) => [name, routes.length])).toEqual([
    ['billing', 1],
    ['nlp-ner-service', 2],
  ]);
  const keys = ['key-of-alice', env.DECK_BATCH_PROCESSOR_KEY, env.DECK_LOAD_GENERATOR_KEY];
  expect(keys.map((key) => credentials.find(key)?.consumer.username)).toEqual([
    'alice',
    'batch-processor',
    'load-generator',
  ]);
});

test("another team's key does not open it", async () => {
  const other = { consumers: [{ username: 'alice', keyauth_credentials: [{ key: 'key-of-alice' }] }] };
  const file = merge({ _format_version: '3.0', ...other }, rendered());
  const [service] = file['services'] as File[];
  Object.assign(service ?? {}, { url: 'http://127.0.0.1:1/', tls_verify: undefined, ca_certificates: undefined });
  const gateway = await startGateway({ file: 'kong.yaml', text: stringify(file), port: 0 });
  const ask = async (apikey: string, method = 'POST', to = '/nlp/ner') => {
    const answer = await fetch(`${gateway.url}${to}`, { method, headers: { apikey } });
    return [answer.status, ((await answer.json()) as { message: string }).message];
  };
  expect(await ask('key-of-alice')).toEqual([403, 'You cannot consume this service']);
  expect(await ask('key-of-alice', 'GET', '/nlp/ner/model')).toEqual([403, 'You cannot consume this service']);
  // Through to the function, which is not there.
  expect(await ask(env.DECK_BATCH_PROCESSOR_KEY)).toEqual([502, expect.any(String)]);
  for (const to of ['/nlp/ner/model', '/nlp/ner/health']) {
    expect(await ask(env.DECK_LOAD_GENERATOR_KEY, 'GET', to)).toEqual([502, expect.any(String)]);
  }
  for (const to of ['/nlp/nermodel', '/nlp/ner', '/nlp']) {
    expect(await ask(env.DECK_LOAD_GENERATOR_KEY, 'GET', to)).toEqual([404, expect.stringContaining('no Route')]);
  }
  await gateway.close();
});

test('the roots that verify the function are those of Amazon, as Mozilla has them', () => {
  const { services, ca_certificates } = rendered() as {
    services: File[];
    ca_certificates: { id: string; cert: string }[];
  };
  expect(services[0]?.['ca_certificates']).toEqual(ca_certificates.map(({ id }) => id));
  const mozilla = new Map(
    rootCertificates.map((pem) => new X509Certificate(pem)).map((each) => [each.fingerprint256, each]),
  );
  const names = ca_certificates.map(({ cert }) => {
    const { fingerprint256 } = new X509Certificate(cert);
    return /CN=(.*)/.exec(mozilla.get(fingerprint256)?.subject ?? '')?.[1];
  });
  expect(names).toEqual([
    ...['Amazon Root CA 1', 'Amazon Root CA 2', 'Amazon Root CA 3', 'Amazon Root CA 4'],
    'Starfield Services Root Certificate Authority - G2',
  ]);
});

describe('patches', () => {
  test('redis.yaml counts every limit in Redis, and changes nothing else', () => {
    const [patch, ...more] = patchesOf('kong/redis.yaml');
    expect([patch?.selectors, more]).toEqual([["$..plugins[?(@.name == 'rate-limiting')].config"], []]);
    const file = rendered();
    expect(limits(file).length).toBe(3);
    for (const { config } of limits(file)) Object.assign(config, patch?.values);
    expect(limits(file).map(({ config }) => config)).toEqual(
      [60, 100, 1000].map((minute) => expect.objectContaining({ minute, policy: 'redis', fault_tolerant: true })),
    );
    // The emulator counts in its own memory alone, and says so.
    expect(() => config(file)).toThrow(/^kong\.yaml:\d+: .*rate-limiting\.config\.policy: must be "local"/);
  });

  test('old-key.yaml lets the batch in with both keys', () => {
    const [patch] = patchesOf('kong/old-key.yaml');
    expect(patch?.selectors).toEqual(["$.consumers[?(@.username == 'batch-processor')].keyauth_credentials"]);
    const file = rendered();
    const consumers = file['consumers'] as { username: string; keyauth_credentials: unknown[] }[];
    consumers
      .find(({ username }) => username === 'batch-processor')
      ?.keyauth_credentials.push(...((patch?.values ?? []) as unknown[]));
    const { credentials } = config(file);
    for (const key of ['batch', 'old']) expect(credentials.find(key)?.consumer.username).toBe('batch-processor');
  });
});

test('every documented decK command leaves what is not ours alone', () => {
  const texts = ['docs', 'kong', 'infra', 'scripts'].flatMap((name) =>
    readdirSync(path.join(root, name), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(md|yaml|mjs|tf)$/.test(file) && !/node_modules|\.terraform|build\//.test(file))
      .map((file) => source(path.join(name, file))),
  );
  const commands = texts.flatMap((text) => text.match(/deck gateway (sync|diff|reset|apply|dump) .*/g) ?? []);
  expect(commands.length).toBeGreaterThan(3);
  for (const command of commands) expect(command).toMatch(/--select-tag (nlp-ner|\$\{tagOf\(name\)\})/);
});

describe('compose.yaml', () => {
  const lint = (text: string) => {
    const file = path.join(folder, 'compose.yaml');
    writeFileSync(file, text);
    const [result] = new DCLinter({
      recursive: false,
      exclude: [],
      rules: {},
      quiet: true,
      debug: false,
      stylish: false,
    }).lintFiles([file], false);
    return (result?.messages ?? [])
      .filter(({ type }: { type: string }) => type === 'error')
      .map(({ rule, message }: { rule: string; message: string }) => `${rule}: ${message}`);
  };

  test('is of the Compose schema, which a mistake is not', () => {
    const text = source('kong/compose.yaml');
    expect(lint(text)).toEqual([]);
    expect(lint(text.replace('network_mode:', 'networkmode:'))).toEqual([expect.stringContaining('invalid-schema')]);
  });

  test('is open to this machine alone, and wants a key', () => {
    const { services } = parse(source('kong/compose.yaml'));
    expect(services.kong.image).toBe('kong:3.9');
    expect([services.lambda.ports, services.kong.ports]).toEqual([['127.0.0.1:8000:8000'], undefined]);
    expect(services.kong.environment.KONG_ADMIN_LISTEN).toBe('127.0.0.1:8001');
    expect(services.lambda.environment.DECK_BATCH_PROCESSOR_KEY).toMatch(/^\$\{DECK_BATCH_PROCESSOR_KEY:\?/);
  });

  test('what runs in it gives Kong a file that leads to the function, with its certificate', {
    timeout: 120_000,
  }, async () => {
    const file = path.join(folder, 'kong.yaml');
    // Of a start that was killed: it leads nowhere, and Kong must not start with it.
    writeFileSync(file, '');
    const changes = watch(folder);
    const child = spawn(process.execPath, [path.join(root, 'kong/lambda.mjs'), folder], {
      env: { ...process.env, DECK_BATCH_PROCESSOR_KEY: 'key-of-batch' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      expect(await once(changes, 'change')).toEqual(['rename', 'kong.yaml']);
      changes.close();
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
      const gateway = await startGateway({ file, text: readFileSync(file, 'utf8'), port: 0 });
      const body = JSON.stringify({ text: 'Ada Lovelace lived in London.' });
      const answer = await fetch(`${gateway.url}/nlp/ner`, {
        method: 'POST',
        headers: { apikey: 'key-of-batch' },
        body,
      });
      expect(await answer.json()).toMatchObject({ entities: [{ text: 'Ada Lovelace' }, { text: 'London' }] });
      await gateway.close();
    } finally {
      child.kill('SIGTERM');
    }
    const code = await Promise.race([
      once(child, 'exit').then(([status]) => status),
      setTimeout(20_000, 'still there'),
    ]);
    expect([code, existsSync(file)]).toEqual([0, false]);
  });
});
