// The client as npm's users get it: packed, installed in an empty folder, and used as its README says.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Gateway, KEY, MODEL, served, startGateway } from '../packages/client/test/gateway.js';
import { root } from '../scripts/step.mjs';

const source = path.join(root, 'packages/client');
const readme = readFileSync(path.join(source, 'README.md'), 'utf8');
const reference = readFileSync(path.join(root, 'docs/client.md'), 'utf8');
const blocks = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code = '']) => code);

let folder: string;
let tarball: string;
let files: { path: string }[];

/** Runs a program in the empty folder. */
async function run(program: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const options = { cwd: folder, env: { ...process.env, ...env }, timeout: 590_000 };
  return promisify(execFile)(program, args, options);
}
const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);

beforeAll(async () => {
  if (!existsSync(path.join(source, 'dist/index.js'))) throw new Error(`${source} is not built: run npm test`);
  folder = mkdtempSync(path.join(tmpdir(), 'burst-ner-package-'));
  const { stdout } = await run('npm', ['pack', source, '--json', '--pack-destination', folder]);
  const [pack] = JSON.parse(stdout);
  files = pack.files;
  tarball = path.join(folder, pack.filename);
  console.log(`${pack.filename}: ${pack.size} bytes, ${pack.unpackedSize} unpacked`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the tarball', () => {
  test('holds the build, its types, README and licences, and no word of where it was made', () => {
    expect(files.map((file) => file.path).filter((name) => !/^dist\/[\w-]+(\.d\.ts|\.js)$/.test(name))).toEqual([
      'LICENSE',
      'README.md',
      'dist/cli/main.js',
      'dist/LICENSES.txt',
      'package.json',
    ]);
    const license = (of: string) => readFileSync(path.join(of, 'LICENSE'), 'utf8');
    expect(license(source)).toBe(license(root));
    for (const file of files) {
      const text = readFileSync(path.join(source, file.path), 'utf8');
      for (const leak of [root, `${homedir()}/`, 'sourceMappingURL']) expect(text, file.path).not.toContain(leak);
      // A package manager other than ours could not read these.
      if (file.path === 'package.json') expect(text).not.toMatch(/"(workspace|catalog|link|file):|packageManager/);
      // These would be a condition on the user's compiler settings.
      if (/\.d\.ts$/.test(file.path)) expect(text, file.path).not.toMatch(/\/\/\/ <reference|from 'zod/);
    }
  });

  test('has the licence of all that is bundled', () => {
    const licences = readFileSync(path.join(source, 'dist/LICENSES.txt'), 'utf8');
    const code = files.filter(({ path: name }) => name.endsWith('.js'));
    const bundled = code.flatMap(({ path: name }) => [
      ...readFileSync(path.join(source, name), 'utf8').matchAll(/^ *\/\/ .*node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//gm),
    ]);
    const names = new Set(bundled.map(([, name]) => name));
    expect(names).toContain('p-limit');
    for (const name of names) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });

  test('is small in a bundle', async () => {
    const bundle = path.join(folder, 'bundle.js');
    const esbuild = path.join(root, 'node_modules/.bin/esbuild');
    const options = ['--bundle', '--minify', '--format=esm', '--platform=node', '--external:undici'];
    await run(esbuild, [path.join(source, 'dist/index.js'), ...options, `--outfile=${bundle}`]);
    expect(readFileSync(bundle).length).toBeLessThanOrEqual(90_000);
  });

  test('has no fault that publint knows', async () => {
    const data = new Uint8Array(readFileSync(tarball));
    const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('has types that are right for every module system and resolution', async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
    expect(result).toMatchObject({ types: { kind: 'included' } });
    // Every Node that this package runs on can require an ES module, and then both ways lead to the same classes.
    const { problems } = result as { problems: { kind: string }[] };
    expect(problems.filter(({ kind }) => kind !== 'CJSResolvesToESM')).toEqual([]);
    expect(Object.keys((result as { entrypoints: object }).entrypoints)).toEqual(['.', './documents', './testing']);
  });
});

describe('installed in an empty folder', () => {
  let gateway: Gateway;
  let offline: string | undefined;

  beforeAll(async () => {
    gateway = await startGateway(({ headers, texts }) =>
      headers['apikey'] === KEY ? served(texts, () => ({ results: texts.map(find), model: MODEL })) : undefined,
    );
    write('package.json', '{"private":true}');
    const patience = ['--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=2000'];
    const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', ...patience];
    await run('npm', [...args, tarball, `@types/node@${manifest('@types/node').version}`]).catch((error) => {
      const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|ERR_SOCKET_TIMEOUT/;
      if (process.env['CI'] || !unreachable.test(error.stderr)) throw error;
      offline = 'the npm registry cannot be reached';
      console.warn(`test/package.test.ts: what needs an installed client is skipped: ${offline}`);
    });
  });
  afterAll(() => gateway[Symbol.asyncDispose]());
  beforeEach((context) => context.skip(offline !== undefined, offline));

  const env = { NER_API_KEY: KEY };
  const example = () => {
    const [code = '', ...more] = blocks(readme, 'js');
    expect(more).toEqual([]);
    const here = code.replace('https://kong.example.com/nlp/ner', gateway.url);
    expect(here).not.toBe(code);
    return here;
  };
  const [ESM, CJS = ''] = [/^import .*;$/m, /`(const \{ NerClient \} = require\(.*?\);)`/.exec(readme)?.[1]];
  const inFunction = (code: string, first: string) => `${first}\n(async () => {\n${code.replace(ESM, '')}\n})();\n`;
  const printed =
    "[\n  { text: 'Ada Lovelace', label: 'PERSON', start: 0, end: 12 },\n" +
    "  { text: 'London', label: 'GPE', start: 22, end: 28 }\n]\n" +
    "1 [\n  { text: 'Marie Curie', label: 'PERSON', start: 0, end: 11 },\n" +
    "  { text: 'Paris', label: 'GPE', start: 21, end: 26 }\n]\n2 []\n";

  test("the README's example runs as ES module", async () => {
    write('example.mjs', example());
    expect(await run('node', ['example.mjs'], env)).toEqual({ stdout: printed, stderr: '' });
  });

  test('and as CommonJS, with the same classes', async () => {
    expect(CJS).toContain("require('@burst-ner/client')");
    write('example.cjs', inFunction(example(), CJS));
    expect((await run('node', ['--no-warnings', 'example.cjs'], env)).stdout).toBe(printed);
    const documents = "console.log(typeof require('@burst-ner/client/documents').readDocuments)";
    expect((await run('node', ['--no-warnings', '-e', documents])).stdout).toBe('function\n');
    write(
      'same.cjs',
      "import('@burst-ner/client').then((it) => console.log(it.NerError === require('@burst-ner/client').NerError));",
    );
    expect((await run('node', ['--no-warnings', 'same.cjs'])).stdout).toBe('true\n');
  });

  test('with nothing that only the command needs', () => {
    const installed = readdirSync(path.join(folder, 'node_modules')).filter(
      (name) => !/^[@.]|^undici-types$/.test(name),
    );
    expect(installed).toEqual(['undici', 'zod']);
  });

  test('the command runs', async () => {
    expect((await run('npx', ['--no-install', 'burst-ner', '--help'])).stdout).toMatch(/^Usage: burst-ner .*doctor/s);
    write('note.txt', 'Ada Lovelace lived in London.');
    const { stdout } = await run(
      'npx',
      ['--no-install', 'burst-ner', 'extract', '--url', gateway.url, 'note.txt'],
      env,
    );
    expect(JSON.parse(stdout)).toMatchObject({
      source: 'note.txt',
      entities: [{ label: 'PERSON' }, { text: 'London' }],
    });
  });

  test.each([
    ['NodeNext', ['mts', 'cts'], ['--module', 'NodeNext']],
    ['CommonJS', ['ts'], ['--module', 'CommonJS']],
    ['a bundler', ['ts'], ['--module', 'ESNext', '--moduleResolution', 'Bundler']],
  ])('TypeScript compiles against it: %s', async (name, endings, options) => {
    const first = `${ESM.exec(example())?.[0]}
import { type Entity, type Outcome, NerError } from '@burst-ner/client';
import { readDocuments, type SourceDocument } from '@burst-ner/client/documents';
export const documents: AsyncIterable<SourceDocument> = readDocuments(['a.txt']);
export const first = (it: Outcome<string>): Entity | NerError | undefined => (it.ok ? it.entities[0] : it.error);
// @ts-expect-error: documents that are no strings need text
export const wrong = (ner: NerClient) => ner.extractAll([{ body: '' }]);`;
    const names = endings.map((ending) => `user-${name.replace(' ', '-')}.${ending}`);
    for (const user of names) write(user, inFunction(example(), first));
    if (name === 'NodeNext') {
      // msw is not installed here.
      const examples = blocks(reference, 'ts').filter((code) => !code.includes("from 'msw'"));
      expect(examples).toHaveLength(1);
      write('reference.mts', examples.join(''));
      names.push('reference.mts');
    }
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'ES2022', '--lib', 'ES2022'];
    const { stdout } = await run('node', [tsc, ...strict, ...options, ...names]).catch((error) => error);
    expect(stdout).toBe('');
  });

  test("the reference's examples run", async () => {
    // Records what it is told, as OpenTelemetry would.
    const api = path.join(folder, 'node_modules/@opentelemetry/api');
    mkdirSync(api, { recursive: true });
    writeFileSync(path.join(api, 'package.json'), '{"type":"module","exports":"./index.js"}');
    writeFileSync(
      path.join(api, 'index.js'),
      `class Span { setAttributes(a) { this.a = a; return this; } setStatus(s) { this.s = s; } end() { console.log(this.a, this.s); } }
      export const SpanStatusCode = { ERROR: 2 };
      export const trace = { getTracer: () => ({ startSpan: () => new Span() }) };`,
    );
    const [events = '', tracing = '', fake = ''] = blocks(reference, 'js');
    const print = async (name: string, code: string) => {
      write(name, code);
      return (await run('node', [name], { ...env, NER_URL: gateway.url })).stdout;
    };
    const extract = "console.log((await ner.extract('Ada Lovelace')).length);";
    expect(await print('events.mjs', `${events}\n${extract}`)).toBe('1\n');
    const ada = "[ { text: 'Ada', label: 'PERSON', start: 0, end: 3 } ]";
    expect(await print('fake.mjs', fake)).toMatch(
      new RegExp(`^Ada ${ada.replaceAll(/[[\]{}]/g, '\\$&')}\nx \\[\\]\n1 \\d+\n$`),
    );
    const wrongKey = "await ner.extract('x').catch(() => {});";
    const use = `const ner = new NerClient({ url: '${gateway.url}', apiKey: 'wrong' }); ${wrongKey}`;
    const spans = await print('tracing.mjs', `import { NerClient } from '@burst-ner/client';\n${tracing}\n${use}`);
    expect(spans).toMatch(
      /attempt: 1,\s+texts: 1,\s+status: 401,[^}]*\} \{\s+code: 2,\s+message: '.*NER_API_KEY'\s+\}\n$/,
    );
  });
});

test('the reference has every option with its default', () => {
  const declared = ['options.ts', 'client.ts'].flatMap((name) => {
    const text = readFileSync(path.join(source, 'src', name), 'utf8');
    const interfaces = [...text.matchAll(/export interface \w*Options\b.*?\n\}/gs)].join('\n');
    return [...interfaces.matchAll(/(?:@default (.*?)\n[^;]*?)?^ {2}(\w+)\??: /gms)];
  });
  expect(declared.length).toBeGreaterThan(12);
  for (const [, value, option = ''] of declared) {
    const row = new RegExp(`^\\| \`${option}\` .*$`, 'm').exec(reference)?.[0];
    expect(row, option).toBeDefined();
    if (value && /^['\d]|^none|^all/.test(value))
      expect(row?.replaceAll(/[`']/g, ''), option).toContain(` ${value.replaceAll("'", '')} `);
  }
});

const PHRASES: [string, string][] = [
  ['Ada Lovelace', 'PERSON'],
  ['London', 'GPE'],
  ['Marie Curie', 'PERSON'],
  ['Paris', 'GPE'],
];

function find(text: string) {
  const found = PHRASES.filter(([phrase]) => text.includes(phrase));
  const at = (phrase: string) => text.indexOf(phrase);
  const entities = found.map(([phrase, label]) => ({
    text: phrase,
    label,
    start_char: at(phrase),
    end_char: at(phrase) + phrase.length,
  }));
  return { entities };
}

function manifest(name: string): { version: string } {
  return JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8'));
}
