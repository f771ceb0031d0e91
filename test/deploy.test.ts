// `npm run deploy` with stand-ins for terraform and deck that write down how they were called; everything else is real.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { render } from '../kong/render.mjs';
import { parseConfig } from '../packages/emulator/src/gateway/config.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../scripts/model.mjs';
import { python } from '../scripts/python.mjs';
import { root } from '../scripts/step.mjs';
import { startLocal } from './local.js';

interface Call {
  program: string;
  args: string[];
  env: Record<string, string>;
  variables?: Record<string, unknown>;
  region?: string;
}

const SECRETS = {
  DECK_NER_ORIGIN_SECRET: 'o'.repeat(40),
  DECK_BATCH_PROCESSOR_KEY: 'batch',
  DECK_LOAD_GENERATOR_KEY: 'load',
};
const noTerraform = spawnSync('terraform', ['version']).status !== 0;
let home: string;
let checkout: string;
let model: string;

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'burst-ner-deploy-'));
  checkout = path.join(home, 'checkout');
  model = await prepareModel(describeModel(DEFAULT_MODEL));
  makeCheckout();
  writeProgram('bin/terraform', TERRAFORM);
  writeProgram('bin/deck', DECK);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));
beforeEach(() => {
  for (const made of ['calls', 'outputs', 'config']) rmSync(path.join(home, made), { recursive: true, force: true });
  rmSync(path.join(checkout, 'infra/build'), { recursive: true, force: true });
});

/** The checkout's own files, so that the user's infra/build stays; what is installed and built is shared. */
function makeCheckout() {
  const link = (name: string) => symlinkSync(path.join(root, name), path.join(checkout, name));
  mkdirSync(path.join(checkout, 'packages/service/.venv/bin'), { recursive: true });
  for (const part of ['scripts', 'kong', 'infra/provisioner'])
    cpSync(path.join(root, part), path.join(checkout, part), { recursive: true });
  cpSync(path.join(root, 'infra/variables.tf'), path.join(checkout, 'infra/variables.tf'));
  for (const name of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'tsconfig.base.json', 'node_modules'])
    link(name);
  for (const name of ['client', 'emulator', 'loadtest', 'batch']) link(`packages/${name}`);
  const service = [
    'burst_ner',
    'engine',
    'tools',
    'burst_ner_model',
    'requirements.lock',
    'requirements-model.lock',
    'requirements-engine.lock',
    '.venv/installed.json',
  ];
  for (const name of service) link(`packages/service/${name}`);
  // The zip takes half a minute to build: one test does.
  const quick =
    'if [ "$2" = tools.zip ] && [ -z "$REAL_ZIP" ]; then echo "$@" >> "$HOME_OF_TEST/zips"; echo zip > "$3"; exit; fi';
  writeProgram('checkout/packages/service/.venv/bin/python', `#!/bin/sh\n${quick}\nexec ${python} "$@"\n`);
}

function writeProgram(name: string, text: string) {
  mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
  writeFileSync(path.join(home, name), text);
  chmodSync(path.join(home, name), 0o755);
}

async function deploy(args: string[], env: Record<string, string> = {}, from = checkout) {
  const child = spawn(process.execPath, [path.join(from, 'scripts/deploy.mjs'), ...args], {
    env: {
      PATH: `${home}/bin:${process.env['PATH']}`,
      HOME: process.env['HOME'],
      HOME_OF_TEST: home,
      XDG_CONFIG_HOME: path.join(home, 'config'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (out.stdout += data));
  child.stderr.on('data', (data) => (out.stderr += data));
  const [status] = await once(child, 'close');
  return { status, ...out, last: out.stderr.trimEnd().split('\n').at(-1) };
}

const calls = (): Call[] => {
  const file = path.join(home, 'calls');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
};
const said = () =>
  calls().map(({ program, args }) => `${program} ${args.filter((arg) => !arg.startsWith('-')).join(' ')}`);
/** The last apply. */
const applying = () => calls().findLast(({ args }) => args[0] === 'apply');
/** A file that Terraform was given. */
const built = (call: Call | undefined, variable: string) =>
  path.join(checkout, 'infra', String(call?.variables?.[variable]));
const inBuild = () => readdirSync(path.join(checkout, 'infra/build')).sort();
/** What stands in infra/build of the last apply, as its bytes' digests. */
const applied = () => {
  const names = ['applied.tfvars', 'applied.tfvars.json'];
  const variables = JSON.parse(readFileSync(made('applied.tfvars.json'), 'utf8'));
  for (const key of ['code_zip', 'model_archive', 'provisioner_zip']) names.push(path.basename(variables[key]));
  return Object.fromEntries(names.map((name) => [name, digest(readFileSync(made(name)))]));
};
const tags = (value: unknown): string[] =>
  [...JSON.stringify(value).matchAll(/"tags":\["([^"]*)"\]/g)].map(([, tag = '']) => tag);
const made = (name: string) => path.join(checkout, 'infra/build', name);
const digest = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const kept = () => path.join(home, 'config/burst-ner/ner-test.env');
const secretsOf = (file: string) =>
  Object.fromEntries(
    [...readFileSync(file, 'utf8').matchAll(/^(\w+)='([0-9a-f]{64})'$/gm)].map(([, name, value]) => [name, value]),
  );
const apply = ['--apply', '--yes', '--region', 'eu-west-1'];

const STAND_IN = `#!${process.execPath}
const fs = require('node:fs');
const program = require('node:path').basename(__filename);
const args = process.argv.slice(2);
const { HOME_OF_TEST: home, DIAGNOSTIC, PING, PATCH, ACCOUNT = '1', NAME = 'ner-test' } = process.env;
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^DECK_|^NER_/.test(name)));
const call = { program, args, env };
const file = args.find((arg) => /deploy.tfvars.json$/.test(arg))?.split('=')[1];
if (file) call.variables = JSON.parse(fs.readFileSync(file, 'utf8'));
call.region = process.env.AWS_REGION;
fs.appendFileSync(home + '/calls', JSON.stringify(call) + '\\n');
`;
const TERRAFORM = `${STAND_IN}
const outputs = home + '/outputs';
const { origin_secret_sha256 } = call.variables ?? {};
const place = [ACCOUNT, call.region, NAME].join(':');
const values = { place, origin_secret_sha256, function_url: process.env.EXPOSURE ? null : 'https://abc.lambda-url.eu-west-1.on.aws/', live_version: '3', dashboard_url: 'https://d/' };
if (args[0] === 'init' && process.env.INTERRUPT) process.kill(process.ppid, 'SIGINT');
if (args[0] === 'version') console.log(JSON.stringify({ terraform_version: process.env.TF_VERSION ?? '1.11.4' }));
if (args[0] === 'output') console.log(fs.existsSync(outputs) ? fs.readFileSync(outputs, 'utf8') : '{}');
if (args[0] === 'console') console.log(JSON.stringify(JSON.stringify({ ...call.variables, name: NAME, architecture: 'x86_64', runtime: 'python3.12', exposure: process.env.EXPOSURE ?? 'url' })));
if (args[0] === 'show') console.log(JSON.stringify({ planned_values: { outputs: { place: { value: place } } } }));
if (args[0] === 'plan' && DIAGNOSTIC) {
  console.log(JSON.stringify({ type: 'diagnostic', diagnostic: JSON.parse(DIAGNOSTIC) }));
  process.exit(1);
}
if (args[0] === 'apply') {
  if (process.env.APPLY_FAILS) process.exit(1);
  fs.writeFileSync(outputs, JSON.stringify(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]))));
}
`;
const DECK = `${STAND_IN}
if (args.includes('ping') && PING) {
  console.error('Error: dial tcp 127.0.0.1:1: connect: connection refused');
  process.exit(1);
}
if (args.includes('patch')) {
  if (PATCH === 'fails') {
    console.error('Error: invalid patch');
    process.exit(1);
  }
  if (PATCH) fs.appendFileSync(args[args.indexOf('--output-file') + 1], PATCH);
}
if (args.includes('diff')) console.log('creating service nlp-ner-service');
if (args.includes('sync')) console.log('Summary: created 1');
`;

describe('--apply', () => {
  test('builds, applies, and tells the way into Kong; no secret is anywhere but in its file', async () => {
    const efs = [...apply, '--model', model, '--model-store', 'efs'];
    const { status, stdout, stderr } = await deploy(efs, { REAL_ZIP: '1' });
    expect([status, stderr]).toEqual([0, expect.stringContaining('Initialise Terraform')]);

    expect(said().filter((line) => !/version|output/.test(line))).toEqual(
      ['init', 'console', 'plan', 'show', 'apply']
        .map((name) => `terraform ${name}`)
        .map((line) => expect.stringContaining(line)),
    );
    const manifest = readFileSync(path.join(model, 'manifest.json'));
    const secrets = secretsOf(kept());
    expect(Object.keys(secrets)).toEqual(Object.keys(SECRETS));
    const file = (name: string) =>
      expect.stringMatching(new RegExp(`^build/${name.replace('.', '-[0-9a-f]{12}\\.')}$`));
    const call = applying();
    expect(call?.region).toBe('eu-west-1');
    expect(call?.variables).toEqual({
      model_store: 'efs',
      model: `${DEFAULT_MODEL}-3.8.0-${digest(manifest).slice(0, 8)}`,
      model_archive: file('model.tar'),
      code_zip: file('function.zip'),
      provisioner_zip: file('provisioner.zip'),
      origin_secret_sha256: [digest(String(secrets['DECK_NER_ORIGIN_SECRET']))],
    });

    // The archive is the model, and nothing else.
    const unpacked = mkdtempSync(path.join(home, 'model-'));
    execFileSync('tar', ['-xf', built(call, 'model_archive'), '-C', unpacked]);
    execFileSync(python, ['-m', 'burst_ner_model', 'verify', unpacked], { cwd: path.join(root, 'packages/service') });
    const list = (file: string) => execFileSync(python, ['-m', 'zipfile', '-l', file], { encoding: 'utf8' });
    expect(list(built(call, 'provisioner_zip')).split('\n')).toEqual([
      expect.any(String),
      expect.stringMatching(/^provision\.py +1980-01-01/),
      '',
    ]);
    expect(list(built(call, 'code_zip'))).toMatch(/burst_ner\/handler\.py[\s\S]*burst_ner\/libburst_ner\.so/);

    expect(statSync(kept()).mode & 0o777).toBe(0o600);
    const readable = [
      stdout,
      stderr,
      readFileSync(made('kong.yaml'), 'utf8'),
      readFileSync(made('applied.tfvars.json'), 'utf8'),
      JSON.stringify(calls()),
    ];
    for (const secret of Object.values(secrets))
      expect(readable.filter((text) => text.includes(String(secret)))).toEqual([]);

    expect(stdout).toContain(`. ${kept()};`);
    expect(stdout).toMatch(/deck gateway sync \S+infra\/build\/kong\.yaml --select-tag nlp-ner-ner-test /);
    expect(stdout).toMatch(/curl \S+\/ner-test\/nlp\/ner -H "apikey: \$NER_API_KEY"/);
    // Kong has the roots of the deployment of the default name.
    const roots = readFileSync(path.join(root, 'kong/kong.yaml'), 'utf8').split(/^(?=ca_certificates:)/m)[1];
    const kong = parseConfig('kong.yaml', render(`${readFileSync(made('kong.yaml'), 'utf8')}${roots}`, secrets));
    expect(kong.services.map(({ host }) => host)).toEqual(['abc.lambda-url.eu-west-1.on.aws']);
  });

  test('again: the same secrets and the same bytes', async () => {
    const run = async () => {
      await deploy([...apply, '--model', model, '--model-store', 'efs']);
      return [digest(readFileSync(kept())), ...inBuild().map((name) => `${name} ${digest(readFileSync(made(name)))}`)];
    };
    const [first, second] = [await run(), await run()];
    expect(second).toEqual(first);
  });

  test('a model on EFS that only spaCy can run has spaCy in the zip', async () => {
    const folder = path.join(home, 'on-spacy');
    cpSync(model, folder, { recursive: true });
    cpSync(describeModel(DEFAULT_MODEL).path, path.join(folder, 'pipeline'), { recursive: true });
    const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8'));
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify({ ...manifest, runs_on: 'spacy' }));
    const zips = async (of: string) => {
      expect((await deploy([...apply, '--model', of, '--model-store', 'efs'], SECRETS)).status).toBe(0);
      return readFileSync(path.join(home, 'zips'), 'utf8').trim().split('\n').at(-1);
    };
    expect(await zips(folder)).toMatch(/--python 3\.12 --with-spacy$/);
    expect(await zips(model)).toMatch(/--python 3\.12$/);
  });

  test('by default the model goes into the zip, and there is no archive', async () => {
    const { status } = await deploy([...apply, '--model', model], SECRETS);
    expect(status).toBe(0);
    expect(readFileSync(path.join(home, 'zips'), 'utf8').trim().split('\n').at(-1)).toMatch(
      new RegExp(`--arch x86_64 --python 3\\.12 --with-model ${model}$`),
    );
    expect(inBuild()).toEqual([
      'applied.tfvars',
      'applied.tfvars.json',
      expect.stringMatching(/^function-[0-9a-f]{12}\.zip$/),
      'kong.yaml',
    ]);
    expect(applying()?.variables).toMatchObject({ model_store: 'package', model_archive: null });
  });

  test('a plan of something else leaves what was applied as it was; the next apply keeps its own files alone', async () => {
    const users = path.join(home, 'user.tfvars');
    writeFileSync(users, 'memory_size = 3008\n');
    const efs = ['--region', 'eu-west-1', '--model-store', 'efs', '--var-file', users];
    await deploy(['--apply', '--yes', ...efs, '--model', model], SECRETS);
    const before = applied();
    expect(before['applied.tfvars']).toBe(digest('memory_size = 3008\n'));
    const other = path.join(home, 'other-model');
    cpSync(model, other, { recursive: true });
    const manifest = JSON.parse(readFileSync(path.join(other, 'manifest.json'), 'utf8'));
    writeFileSync(path.join(other, 'manifest.json'), JSON.stringify({ ...manifest, note: 'other' }));
    writeFileSync(users, 'memory_size = 4096\n');
    const { status } = await deploy(['--plan', ...efs, '--model', other], SECRETS);
    expect([status, applied()]).toEqual([0, before]);
    await deploy(['--apply', '--yes', ...efs, '--model', other], SECRETS);
    expect(Object.keys(applied())).not.toEqual(Object.keys(before));
    expect(inBuild().filter((name) => name.endsWith('.tar'))).toHaveLength(1);
  });

  test('secrets of the environment stay there, and Terraform does not get them', async () => {
    await deploy([...apply, '--model', model], SECRETS);
    expect(existsSync(kept())).toBe(false);
    expect(calls().map(({ env }) => env)).toEqual(calls().map(() => ({})));
    expect(applying()?.variables).toMatchObject({ origin_secret_sha256: [digest(SECRETS.DECK_NER_ORIGIN_SECRET)] });
  });

  test('a rotation: the old origin secret is taken beside the new one, which is made', async () => {
    await deploy([...apply, '--model', model]);
    const [old = ''] = /(?<=ORIGIN_SECRET=')\w+/.exec(readFileSync(kept(), 'utf8')) ?? [];
    // As an editor leaves it that writes no newline at the end.
    writeFileSync(kept(), readFileSync(kept(), 'utf8').trim().replace('ORIGIN_SECRET=', 'ORIGIN_SECRET_OLD='));
    const { stdout } = await deploy([...apply, '--model', model]);
    const [fresh = ''] = /(?<=ORIGIN_SECRET=')\w+/.exec(readFileSync(kept(), 'utf8')) ?? [];
    expect(applying()?.variables).toMatchObject({ origin_secret_sha256: [digest(fresh), digest(old)] });
    expect(stdout).toMatch(/takes the old origin secret, too/);
    expect(Object.keys(secretsOf(kept()))).toEqual([
      'DECK_NER_ORIGIN_SECRET_OLD',
      'DECK_BATCH_PROCESSOR_KEY',
      'DECK_LOAD_GENERATOR_KEY',
      'DECK_NER_ORIGIN_SECRET',
    ]);
  });

  test('--kong-admin: the difference first, then the change, each for our tag alone', async () => {
    const admin = 'http://127.0.0.1:1';
    const patch = path.join(root, 'kong/redis.yaml');
    const { status, stdout } = await deploy([...apply, '--model', model, '--kong-admin', admin, '--kong-patch', patch]);
    expect(status).toBe(0);
    const deck = calls().filter(({ program }) => program === 'deck');
    const file = made('kong.yaml');
    const ours = [file, '--select-tag', 'nlp-ner-ner-test', '--kong-addr', admin];
    expect(deck.map(({ args }) => args.slice(1))).toEqual([
      ['version'],
      ['gateway', 'ping', '--kong-addr', admin],
      // Before anything is changed, and when the address is known.
      ['file', 'patch', '--state', `${file}.check.new`, '--output-file', `${file}.check.new`, patch],
      ['file', 'patch', '--state', `${file}.new`, '--output-file', `${file}.new`, patch],
      ['gateway', 'diff', ...ours],
      ['gateway', 'sync', ...ours],
    ]);
    // What decK masks in its output are the values of these.
    expect(deck.at(-2)?.env).toMatchObject(secretsOf(kept()));
    expect(stdout).toMatch(
      /What changes in the Kong at [\s\S]*creating service nlp-ner-service[\s\S]*Summary: created 1/,
    );
    expect(stdout).not.toContain('Bring it into Kong');
  });

  test('--kong-admin konnect leaves the way to decK, which with an address would leave Konnect', async () => {
    const { status, stdout } = await deploy([...apply, '--model', model, '--kong-admin', 'konnect']);
    expect([status, stdout]).toEqual([0, expect.stringContaining('What changes in Konnect:')]);
    const deck = calls().filter(({ program, args }) => program === 'deck' && args[1] === 'gateway');
    expect(deck.map(({ args }) => args[2])).toEqual(['ping', 'diff', 'sync']);
    for (const { args } of deck) expect(args).not.toContain('--kong-addr');
  });

  test('a name of its own: every name in Kong follows it, so that one Kong holds several', async () => {
    await deploy([...apply, '--model', model], SECRETS);
    const file = parse(readFileSync(made('kong.yaml'), 'utf8'));
    const [service] = file.services;
    expect(service).toMatchObject({ name: 'nlp-ner-ner-test-service', tags: ['nlp-ner-ner-test'] });
    expect(service.routes.map((route: { name: string; paths: string[] }) => [route.name, ...route.paths])).toEqual([
      ['nlp-ner-ner-test-route', '/ner-test/nlp/ner'],
      ['nlp-ner-ner-test-meta-route', '/ner-test/nlp/ner/'],
    ]);
    expect(file.consumers.map((each: { username: string }) => each.username)).toEqual([
      'batch-processor-ner-test',
      'load-generator-ner-test',
    ]);
    const groups = file.consumers.flatMap(({ acls }: { acls: { group: string }[] }) => acls.map(({ group }) => group));
    const acl = service.plugins.find((plugin: { name: string }) => plugin.name === 'acl');
    expect([...new Set(groups)]).toEqual(acl.config.allow);
    // Nothing is left that two deployments would both call their own.
    const plain = parse(readFileSync(path.join(root, 'kong/kong.yaml'), 'utf8'));
    expect(tags(file).filter((tag) => tags(plain).includes(tag))).toEqual([]);
    expect([file.ca_certificates, service.ca_certificates]).toEqual([undefined, plain.services[0].ca_certificates]);
  });

  test('the default name keeps the names of the file', async () => {
    await deploy([...apply, '--model', model], { ...SECRETS, NAME: 'spacy-ner-service' });
    const text = readFileSync(path.join(root, 'kong/kong.yaml'), 'utf8');
    const url = 'https://abc.lambda-url.eu-west-1.on.aws/';
    expect(readFileSync(made('kong.yaml'), 'utf8')).toBe(text.replace('${' + '{ env "DECK_NER_FUNCTION_URL" }}', url));
  });

  test('exposure = "private": its patch comes first, and Kong is told function and region', async () => {
    const patch = 'a: $' + '{{ env "DECK_NER_FUNCTION_NAME" }} $' + '{{ env "DECK_NER_REGION" }}';
    const redis = path.join(root, 'kong/redis.yaml');
    const env = { ...SECRETS, EXPOSURE: 'private', PATCH: patch };
    const { status } = await deploy([...apply, '--model', model, '--kong-patch', redis], env);
    expect(status).toBe(0);
    const deck = calls().filter(({ args }) => args[2] === 'patch');
    expect(deck.at(-1)?.args.slice(-2)).toEqual([path.join(checkout, 'kong/private.yaml'), redis]);
    const file = readFileSync(made('kong.yaml'), 'utf8');
    expect(file).toContain('a: ner-test eu-west-1');
    expect(parse(file).services[0].url).toBe('https://lambda.eu-west-1.amazonaws.com/');
  });

  test('a failed apply says so, and Kong is not touched', async () => {
    const { status, last } = await deploy([...apply, '--model', model, '--kong-admin', 'http://127.0.0.1:1'], {
      ...SECRETS,
      APPLY_FAILS: '1',
    });
    expect([status, last]).toEqual([1, expect.stringMatching(/^terraform apply did not succeed.*stays live/)]);
    expect(said().at(-1)).toMatch(/^terraform apply/);
  });

  test('Ctrl-D at the question about Kong is a no', () => {
    const kong = path.join(checkout, 'scripts/deploy/kong.mjs');
    const code = `const { syncKong } = await import(${JSON.stringify(kong)});
      console.log(await syncKong('kong.yaml', 'http://127.0.0.1:1', { secrets: {}, yes: false }));`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
      env: { PATH: `${home}/bin:${process.env['PATH']}`, HOME_OF_TEST: home },
      encoding: 'utf8',
      input: '',
    });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/Change Kong\?.*false\n$/s)]);
    expect(said().join()).not.toContain('sync');
  });

  test('--smoke asks the doctor, then fires a burst', async () => {
    const emulator = await startLocal({ reserved: 2, provisioned: 2 });
    try {
      const keys = {
        DECK_BATCH_PROCESSOR_KEY: emulator.keys['batch-processor'],
        DECK_LOAD_GENERATOR_KEY: emulator.keys['load-generator'],
      };
      const { status, stdout } = await deploy([...apply, '--model', model, '--smoke'], {
        ...SECRETS,
        ...keys,
        NER_URL: emulator.endpoint,
      });
      expect([status, stdout]).toEqual([0, expect.stringMatching(/ok +one text +2 entities[\s\S]*one burst of 20/)]);
    } finally {
      await emulator.close();
    }
  });
});

test('--plan changes nothing: no apply, nothing in Kong', async () => {
  const { status, stdout } = await deploy(['--plan', '--region', 'eu-west-1', '--model', model], SECRETS);
  expect([status, stdout]).toEqual([0, expect.not.stringContaining('Bring it into Kong')]);
  expect(said().some((line) => /apply|deck/.test(line))).toBe(false);
});

test('Ctrl-C while it prepares leaves nothing behind', async () => {
  const temporary = path.join(home, 'temporary');
  mkdirSync(temporary, { recursive: true });
  expect((await deploy(apply, { INTERRUPT: '1', TMPDIR: temporary })).status).toBe(130);
  expect(readdirSync(temporary)).toEqual([]);
});

test('--destroy builds nothing, and takes the region of what is there', async () => {
  await deploy([...apply, '--model', model], SECRETS);
  rmSync(path.join(checkout, 'infra/build'), { recursive: true });
  const { status, stdout } = await deploy(['--destroy', '--yes', '--region', 'us-east-1']);
  expect([status, stdout]).toEqual([
    0,
    expect.stringMatching(
      /If Kong still calls what is gone.*\n.*deck gateway reset --select-tag nlp-ner-ner-test --kong-addr http/,
    ),
  ]);
  expect(calls().at(-1)).toMatchObject({
    args: ['destroy', expect.stringMatching(/^-var-file=/), '-auto-approve'],
    region: 'eu-west-1',
  });
  expect(inBuild()).toEqual([]);
});

describe('refused with one sentence, before anything is changed', () => {
  const failure = (summary: string, detail = '') => JSON.stringify({ severity: 'error', summary, detail });
  const file = (name: string, text: string, mode = 0o600) => {
    mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
    writeFileSync(path.join(home, name), text, { mode });
    return path.join(home, name);
  };
  const oldModel = () => {
    const folder = path.join(home, 'old-model');
    cpSync(model, folder, { recursive: true });
    const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8'));
    writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify({ ...manifest, format: 1 }));
    return folder;
  };
  const damagedModel = () => {
    const folder = path.join(home, 'damaged-model');
    cpSync(model, folder, { recursive: true });
    const bytes = readFileSync(path.join(folder, 'model.bin'));
    bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9);
    writeFileSync(path.join(folder, 'model.bin'), bytes);
    return folder;
  };
  test.each<[string, () => string[], RegExp, Record<string, string>?]>([
    ['two actions', () => ['--plan', '--destroy'], /Usage/],
    ['npm kept the action', () => [], /^npm kept --apply for itself; put -- before it/, { npm_config_apply: 'true' }],
    ['nobody to answer', () => ['--apply', '--region', 'eu-west-1'], /no terminal to answer: pass --yes/],
    ['no region', () => ['--apply', '--yes'], /^Give --region/],
    ['another store', () => [...apply, '--model-store', 's3'], /^--model-store is package or efs, not s3/],
    [
      'Kong without an apply',
      () => ['--plan', '--kong-admin', 'http://127.0.0.1:1'],
      /^--kong-admin goes with --apply/,
    ],
    ['a smoke test of nothing', () => [...apply, '--smoke'], /^--smoke needs the address of Kong's route in NER_URL/],
    ['no terraform', () => apply, /^There is no terraform on PATH/, { PATH: '/nowhere' }],
    ['an old terraform', () => apply, /^Terraform 1\.11 or later is needed; this is 1\.9\.8/, { TF_VERSION: '1.9.8' }],
    ['no var file', () => [...apply, '--var-file', 'none.tfvars'], /^There is no file .*none\.tfvars/],
    ['a patch that is not there', () => [...apply, '--kong-patch', 'none.yaml'], /^There is no file .*none\.yaml/],
    [
      'Kong does not answer',
      () => [...apply, '--kong-admin', 'http://127.0.0.1:1'],
      /^Kong's Admin API does not answer at http:\/\/127\.0\.0\.1:1 \(.*refused/,
      { PING: 'fails' },
    ],
    [
      'no credentials',
      () => apply,
      /^AWS takes no credentials from here \(No valid credential sources found\): set AWS_PROFILE/,
      { DIAGNOSTIC: failure('No valid credential sources found') },
    ],
    [
      'a quota that is too small',
      () => apply,
      /^reserved_concurrency = 50 needs a quota of at least 150/,
      {
        DIAGNOSTIC: failure(
          'Resource postcondition failed',
          'reserved_concurrency = 50 needs a quota of at least 150.',
        ),
      },
    ],
    [
      'a patch that does not apply',
      () => [...apply, '--kong-patch', path.join(root, 'kong/redis.yaml')],
      /^decK cannot apply the patch: Error: invalid patch/,
      { ...SECRETS, PATCH: 'fails' },
    ],
    [
      'a patch whose secret is not there',
      () => [...apply, '--kong-admin', 'http://127.0.0.1:1', '--kong-patch', path.join(root, 'kong/redis.yaml')],
      /redis\.yaml, line \d+: the environment variable DECK_NER_REDIS_HOST is not set/,
      { ...SECRETS, PATCH: 'host: $' + '{{ env "DECK_NER_REDIS_HOST" }}' },
    ],
    [
      'a short secret',
      () => apply,
      /^DECK_NER_ORIGIN_SECRET is shorter than 32/,
      { DECK_NER_ORIGIN_SECRET: 'short-secret' },
    ],
    [
      'a key that YAML could misread',
      () => apply,
      /kong\.yaml, line \d+: the value of DECK_BATCH_PROCESSOR_KEY has a character/,
      { ...SECRETS, DECK_BATCH_PROCESSOR_KEY: 'a b' },
    ],
    [
      'a key that YAML takes for a number once decK has dropped its quotes',
      () => apply,
      /kong\.yaml, line \d+: without quotes, YAML takes the value of DECK_BATCH_PROCESSOR_KEY for a number/,
      { ...SECRETS, DECK_BATCH_PROCESSOR_KEY: '12345678' },
    ],
    [
      'Konnect does not answer',
      () => [...apply, '--kong-admin', 'konnect'],
      /^Konnect does not answer decK \(.*refused/,
      { PING: 'fails' },
    ],
    [
      'secrets that others can read',
      () => {
        file('config/burst-ner/ner-test.env', '', 0o644);
        return apply;
      },
      /^Others can read .*ner-test\.env; run: chmod 600/,
    ],
    [
      'a model that is not there',
      () => [...apply, '--model', 'no_such_model'],
      /'no_such_model' is neither a folder/,
      SECRETS,
    ],
    [
      'a model of an older format',
      () => [...apply, '--model', oldModel()],
      /has format 1, and this burst-ner reads format 2; build it anew/,
      SECRETS,
    ],
    [
      'a damaged model',
      () => [...apply, '--model', damagedModel()],
      /is damaged: model\.bin has not the SHA-256 that the manifest says/,
      SECRETS,
    ],
    ['a wheel that is not there', () => [...apply, '--model', 'none.whl'], /^There is no file .*none\.whl/, SECRETS],
  ])('%s', async (_, args, sentence, env = {}) => {
    const { status, stderr, last } = await deploy(args(), env);
    expect([status, sentence.source === 'Usage' ? stderr : last]).toEqual([1, expect.stringMatching(sentence)]);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr).not.toContain('short-secret');
    expect(said().filter((line) => /apply|destroy|sync/.test(line))).toEqual([]);
  });

  test.skipIf(noTerraform).each([
    ['a variable out of range', 'timeout = 31\n', /^timeout must be a whole number from 5 to 30 s: .* of margin\.$/],
    ['what is not HCL', 'name = \n', /^Terraform: Invalid expression \(\S+a\.tfvars line 1\)\. Expected the start/],
    ['our variable', 'timeout = 20\nmodel_store = "efs"\n', /a\.tfvars sets model_store.*--model-store/],
    ['our path', 'tags = {\n  model = "x"\n}\ncode_zip = "mine.zip"\n', /a\.tfvars sets code_zip.*take it out\.$/],
  ])('a var file with %s, by the real terraform', async (_, text, sentence) => {
    const bin = path.join(home, 'bin/terraform');
    rmSync(bin);
    try {
      const { status, last, stderr } = await deploy([...apply, '--var-file', file('a.tfvars', text)]);
      expect([status, last, stderr]).toEqual([1, expect.stringMatching(sentence), expect.not.stringContaining('\x1b')]);
    } finally {
      writeProgram('bin/terraform', TERRAFORM);
    }
  });

  test.skipIf(noTerraform)('a state that is to move, by the real terraform', async () => {
    const infra = (name: string) => path.join(checkout, 'infra', name);
    rmSync(path.join(home, 'bin/terraform'));
    writeFileSync(
      infra('terraform.tfstate'),
      JSON.stringify({
        version: 4,
        serial: 1,
        lineage: 'x',
        outputs: { place: { value: '1:eu-west-1:ner-test', type: 'string' } },
        resources: [],
      }),
    );
    writeFileSync(infra('backend.tf'), 'terraform {\n  backend "local" {\n    path = "moved.tfstate"\n  }\n}\n');
    try {
      const { status, last } = await deploy(apply);
      expect([status, last]).toEqual([1, expect.stringContaining('terraform -chdir=infra init -migrate-state')]);
      // As the sentence says.
      execFileSync('terraform', ['-chdir=infra', 'init', '-migrate-state', '-force-copy'], {
        cwd: checkout,
        stdio: 'pipe',
      });
      expect((await deploy([...apply, '--region', 'us-west-2'])).last).not.toContain('-migrate-state');
    } finally {
      for (const name of ['backend.tf', 'moved.tfstate', 'terraform.tfstate', 'terraform.tfstate.backup', '.terraform'])
        rmSync(infra(name), { recursive: true, force: true });
      writeProgram('bin/terraform', TERRAFORM);
    }
  });

  test('no credentials, in a fresh checkout: known before any package is fetched', async () => {
    const fresh = path.join(home, 'fresh');
    for (const part of ['scripts', 'kong', 'package.json', 'infra/variables.tf'])
      cpSync(path.join(root, part), path.join(fresh, part), { recursive: true });
    const env = { DIAGNOSTIC: failure('No valid credential sources found') };
    const { status, last } = await deploy(apply, env, fresh);
    expect([status, last]).toEqual([1, expect.stringMatching(/^AWS takes no credentials from here/)]);
    expect(existsSync(path.join(fresh, 'node_modules'))).toBe(false);
  });

  test('a secret that would lock Kong out: none is here, or another', async () => {
    await deploy([...apply, '--model', model], SECRETS);
    const locked = /has an origin secret that is not here.*lock Kong out/;
    expect((await deploy([...apply, '--model', model])).last).toMatch(locked);
    const other = { ...SECRETS, DECK_NER_ORIGIN_SECRET: 'n'.repeat(40) };
    expect((await deploy([...apply, '--model', model], other)).last).toMatch(locked);
    const both = { ...other, DECK_NER_ORIGIN_SECRET_OLD: SECRETS.DECK_NER_ORIGIN_SECRET };
    expect((await deploy([...apply, '--model', model], both)).status).toBe(0);
  });

  test.each<[string, string[], Record<string, string>]>([
    ['region', ['--apply', '--yes', '--region', 'us-west-2'], {}],
    ['account', apply, { ACCOUNT: '2' }],
    ['name, as of a forgotten --var-file', apply, { NAME: 'other' }],
    ['name, which --destroy would take to be gone', ['--destroy', '--yes'], { NAME: 'other' }],
  ])('another %s', async (_, args, env) => {
    await deploy([...apply, '--model', model], SECRETS);
    const before = calls().length;
    const { status, last } = await deploy(args, { ...SECRETS, ...env });
    expect([status, last]).toEqual([
      1,
      expect.stringMatching(/^Terraform's state is of 1:eu-west-1:ner-test .*another workspace.* and another name/),
    ]);
    expect(
      calls()
        .slice(before)
        .map(({ args: [name] }) => name),
    ).not.toEqual(expect.arrayContaining([args[0]?.slice(2)]));
  });
});
