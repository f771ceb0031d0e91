import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { render } from '../../../../kong/render.mjs';
import { ConfigError, parseConfig } from '../../src/gateway/config.js';

const KONG = readFileSync(new URL('../../../../kong/kong.yaml', import.meta.url), 'utf8');
const TEXT = render(KONG, {
  DECK_NER_FUNCTION_URL: 'https://127.0.0.1:8443/',
  DECK_NER_ORIGIN_SECRET: 'origin-secret',
  DECK_BATCH_PROCESSOR_KEY: 'key-of-batch',
  DECK_LOAD_GENERATOR_KEY: 'key-of-load',
});

test('every entity of the own file is tagged, or decK would not know it as its own', () => {
  const entities = (node: unknown): unknown[] => {
    if (typeof node !== 'object' || node === null) return [];
    const own = ['name', 'username', 'key', 'group', 'cert'].some((field) => field in node) ? [node] : [];
    return [...own, ...Object.values(node).flatMap(entities)];
  };
  const found = entities(parse(TEXT));
  expect(found.length).toBeGreaterThan(20);
  for (const entity of found) expect(entity).toMatchObject({ tags: ['nlp-ner'] });
});

test("reads the repository's own file", () => {
  const { services, credentials } = parseConfig('kong.yaml', TEXT);
  expect(services).toMatchObject([
    {
      name: 'nlp-ner-service',
      host: '127.0.0.1',
      port: 8443,
      tls_verify: true,
      connect_timeout: 5000,
      write_timeout: 15_000,
      read_timeout: 45_000,
      retries: 0,
      routes: [
        { name: 'nlp-ner-route', methods: ['POST'], paths: ['/nlp/ner'], strip_path: true },
        { name: 'nlp-ner-meta-route', methods: ['GET'], paths: ['/nlp/ner/'], strip_path: true },
      ],
    },
  ]);
  expect(services[0]?.routes.map(({ plugins }) => [...plugins.keys()])).toEqual([[], ['rate-limiting']]);
  expect(services[0]?.ca).toHaveLength(5);
  expect(credentials.find('key-of-batch')?.consumer).toMatchObject({
    username: 'batch-processor',
    groups: ['nlp-ner'],
  });
  expect(credentials.find('key-of-load')?.consumer.plugins.has('rate-limiting')).toBe(true);
});

test('takes a vault reference as a key literally, as Kong does', () => {
  const { credentials } = parseConfig('kong.yaml', TEXT.replace('key-of-batch', '{vault://env/ner-key}'));
  expect(credentials.find('{vault://env/ner-key}')?.consumer.username).toBe('batch-processor');
});

test.each(['2.1', '3.0'])('reads format %s', (format) => {
  expect(parseConfig('kong.yaml', TEXT.replace('"3.0"', `"${format}"`)).services).toHaveLength(1);
});

// [what, replaced, by, text of the line that must be named, part of the message]
test.each([
  ['an unknown plugin', 'name: key-auth', 'name: jwt', 'name: jwt', 'name: is not a supported plugin'],
  ['an unknown field', 'retries: 0', 'retires: 0', 'retires: 0', 'nlp-ner-service.retires: is not a supported field'],
  ['an unknown field of a plugin', 'minute: 100\n', 'day: 9\n', 'day: 9', 'rate-limiting.config.day: is not a supp'],
  ['an unknown top-level field', 'services:', 'upstreams: []\nservices:', 'upstreams', 'upstreams: is not a supported'],
  [
    'a wrong type',
    'read_timeout: 45000',
    'read_timeout: long',
    'read_timeout: long',
    'read_timeout: must be of type number',
  ],
  ['another format', '"3.0"', '"1.1"', '_format_version', '_format_version: must be "2.1" or "3.0"'],
  [
    'a policy with a store',
    'policy: local',
    'policy: redis',
    'policy: redis',
    'config.policy: must be "local"; nothing else is',
  ],
  [
    'keys in bodies',
    'key_in_body: false',
    'key_in_body: true',
    'key_in_body: true',
    'key_in_body: must be false; nothing else',
  ],
  ['a service without a name', '- name: nlp-ner-service', '- # none', 'tags: [nlp-ner]', 'name: is missing'],
  ['a regex path', '[/nlp/ner]', '["~/nlp/ner$"]', '~/nlp', 'regex paths are not supported'],
  ['tls_verify without TLS', 'https://127', 'http://127', "url: 'http", 'must be https where tls_verify'],
  [
    'an authority that is not there',
    '      - e8ec',
    '      - 18ec',
    '- 18ec',
    'is the id of none of the ca_certificates',
  ],
  [
    'no certificate',
    'MIIDQTCCAimgAwI',
    'AAAAAAAAAAAAAA',
    'cert: |',
    'is not one PEM certificate of a certificate auth',
  ],
  ['a consumer in no group', 'group: nlp-ner', 'gruop: nlp-ner', 'gruop', 'acls.0.group: is missing'],
  ['a template', 'Bearer origin', '$(x)', '$(x)', 'only fixed values'],
  ['a limit without a period', 'minute: 1000', '# none', 'config:', 'needs one of second, minute, hour'],
  [
    'a key used twice',
    'key-of-load',
    'key-of-batch',
    "key: 'key-of-batch'",
    'keyauth_credentials.0.key: is used twice',
  ],
  [
    'a second plugin of a kind',
    '      # The function answers',
    '      - {name: key-auth, config: {}}\n#',
    '{name: key-auth',
    'nlp-ner-service.plugins.key-auth.name: is used twice',
  ],
  [
    'a second plugin of a kind on a route',
    '          - name: rate-limiting',
    '          - {name: rate-limiting, config: {minute: 9}}\n          - name: rate-limiting',
    '- name: rate-limiting',
    'nlp-ner-meta-route.plugins.rate-limiting.name: is used twice',
  ],
  ['a reference that is not filled in', 'key-of-batch', '$' + '{{ env X }}', 'env X', 'was not filled in'],
  ['a vault reference', 'authorization:Bearer', '{vault://env/x}:', 'vault', 'is a vault reference'],
  ['what is no YAML', 'retries: 0', 'retries: 0: 1', 'retries: 0: 1', 'is not valid YAML'],
  ['an alias that leads nowhere', 'retries: 0', 'retries: *none', 'retries: *none', 'aliases (*) from here on'],
  ['a name with a line break', '- name: nlp-ner-route', '- name: "a\\nb"\n        x: 1', 'x: 1', 'routes.a b.x'],
])('refuses %s and names file, line and place', (_, from, to, line, message) => {
  expect(TEXT).toContain(from);
  const text = TEXT.replace(from, to);
  let error: unknown;
  try {
    parseConfig('kong/kong.yaml', text);
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof ConfigError)) throw error ?? new Error('it was accepted');
  expect(error.message).toContain(message);
  expect(error.message).toMatch(/^kong\/kong\.yaml:\d+: /);
  expect(text.split('\n')[error.line - 1]).toContain(line);
  expect(error.message).not.toMatch(/key-of|origin-secret:/);
});

test('refuses a file that is nested too deep', () => {
  expect(() => parseConfig('kong.yaml', `- ${'h: '.repeat(5000)}\n- b\n`)).toThrow('kong.yaml:1: is nested too deep');
});
