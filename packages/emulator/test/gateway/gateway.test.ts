import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { generate } from 'selfsigned';
import { afterEach, expect, test } from 'vitest';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/gateway.js';
import { type Attempt, startUpstream } from './upstream.js';
import { type Answer, Wire } from './wire.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A config of one service with one route, keys k-batch and k-load. */
function config(url: string, { service = '', plugins = '', own = '', routes = '' } = {}): string {
  return `_format_version: "3.0"
services:
  - name: nlp-ner-service
    url: ${url}
    retries: 0
${indent(4, service)}
    routes:
      - name: nlp-ner-route
        methods: [POST]
        paths: [/nlp/ner]
${indent(6, routes)}
    plugins:
      - name: key-auth
        config: {key_in_query: false, hide_credentials: true}
${indent(6, plugins)}
consumers:
  - username: batch-processor
    keyauth_credentials: [{key: k-batch}]
  - username: load-generator
    keyauth_credentials: [{key: k-load}]
${indent(4, own)}
`;
}

function indent(by: number, text: string): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(by));
}

async function upstream() {
  const server = await startUpstream();
  cleanups.push(() => server.close());
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

async function gateway(text: string, options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const started = await startGateway({ file: 'kong.yaml', text, port: 0, ...options });
  cleanups.push(() => started.close());
  return started;
}

async function post(
  port: number,
  headers: string[],
  { method = 'POST', path = '/nlp/ner', body = '{}' } = {},
): Promise<Answer> {
  const wire = await Wire.open(port);
  const length = headers.some((line) => line.startsWith('Transfer-Encoding')) ? [] : [`Content-Length: ${body.length}`];
  wire.send([`${method} ${path} HTTP/1.1`, 'Host: gw.test', ...headers, ...length, '', body].join('\r\n'));
  const answer = await wire.answer();
  wire.close();
  return answer;
}

function header({ headers }: Pick<Attempt, 'headers'>, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

const MINUTE_3 = '- name: rate-limiting\n  config: {minute: 3}';
const KEY = 'apikey: k-batch';

test('limits each consumer by calendar minute, and one with a limit of its own by that', async () => {
  const { url } = await upstream();
  let now = Date.UTC(2026, 0, 1, 12, 0, 42);
  const own = 'plugins:\n  - name: rate-limiting\n    config: {minute: 1000}';
  const { port } = await gateway(config(url, { plugins: MINUTE_3, own }), { now: () => now });
  for (const left of ['2', '1', '0']) {
    const answer = await post(port, [KEY]);
    expect([answer.status, header(answer, 'RateLimit-Remaining')]).toEqual([200, [left]]);
  }
  const refused = await post(port, [KEY]);
  expect(refused.status).toBe(429);
  expect(refused.body).toMatch(/^\{\n {2}"message":"API rate limit exceeded",\n {2}"request_id":"[0-9a-f]{32}"\n\}$/);
  expect(header(refused, 'Retry-After')).toEqual(['18']);
  expect(header(refused, 'X-RateLimit-Limit-Minute')).toEqual(['3']);
  expect(header(refused, 'Date')).toEqual(['Thu, 01 Jan 2026 12:00:42 GMT']);
  expect(header(await post(port, ['apikey: k-load']), 'RateLimit-Remaining')).toEqual(['999']);
  now += 18_000;
  expect(header(await post(port, [KEY]), 'RateLimit-Reset')).toEqual(['60']);
});

test("counts a route's own limit apart from the service's, and both as the consumer's own where it has one", async () => {
  const { url, take } = await upstream();
  const routes = `- name: nlp-ner-meta-route
  methods: [GET]
  paths: [/nlp/ner]
  plugins: [{name: rate-limiting, config: {minute: 2}}]
- name: another-route
  methods: [PUT]
  paths: [/nlp/ner]
  plugins: [{name: rate-limiting, config: {minute: 2}}]`;
  const own = 'plugins:\n  - name: rate-limiting\n    config: {minute: 1000}';
  const { port } = await gateway(config(url, { plugins: MINUTE_3, own, routes }), { now: () => 0 });
  const left = async (method: string, key: string) => {
    const path = method === 'GET' ? '/nlp/ner/model' : '/nlp/ner';
    const answer = await post(port, [key], { method, path, body: '' });
    return [answer.status, ...header(answer, 'RateLimit-Limit'), ...header(answer, 'RateLimit-Remaining')];
  };
  expect(await left('GET', KEY)).toEqual([200, '2', '1']);
  expect(await left('POST', KEY)).toEqual([200, '3', '2']);
  expect(await left('GET', KEY)).toEqual([200, '2', '0']);
  expect(await left('GET', KEY)).toEqual([429, '2', '0']);
  expect(await left('POST', KEY)).toEqual([200, '3', '1']);
  expect(await left('PUT', KEY)).toEqual([200, '2', '1']);
  expect(await left('GET', 'apikey: k-load')).toEqual([200, '1000', '999']);
  expect(await left('POST', 'apikey: k-load')).toEqual([200, '1000', '998']);
  expect(take().map(({ path }) => path)).toEqual(['/model', '/', '/model', '/', '/', '/model', '/']);
  // The service's key-auth guards every route.
  expect((await post(port, [], { method: 'GET', path: '/nlp/ner/model' })).status).toBe(401);
});

test('admits a burst over the limit, since it counts after it checks; one by one it does not', async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url, { plugins: MINUTE_3 }), { now: () => 0 });
  const wires = await Promise.all(Array.from({ length: 12 }, () => Wire.open(port)));
  // Node accepts one connection a turn of its event loop. On accepted ones, all requests are at hand in one turn.
  for (const wire of wires) wire.send('POST /nlp/ner HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n');
  for (const wire of wires) expect((await wire.answer()).status).toBe(401);
  for (const wire of wires) wire.send(`POST /nlp/ner HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`);
  const answers = await Promise.all(wires.map((wire) => wire.answer()));
  for (const wire of wires) wire.close();
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(3);
  expect((await post(port, [KEY])).status).toBe(429);
});

test('tells the upstream who calls, whatever the caller claims, and hides the key', async () => {
  const { url, take } = await upstream();
  const plugins = `- name: request-transformer
  config: {remove: {headers: [x-origin-secret]}, add: {headers: ['x-origin-secret:own:secret']}}
- name: correlation-id
  config: {header_name: X-Request-ID, generator: uuid, echo_downstream: true}`;
  const { port } = await gateway(config(url, { plugins }));
  const claims = [
    'X-Consumer-Username: admin',
    'X-Consumer-Custom-ID: 1',
    'X-Anonymous-Consumer: true',
    'X-Real-IP: 9.9.9.9',
  ];
  const answer = await post(port, [
    KEY,
    ...claims,
    'x-origin-secret: forged',
    'X-Origin-Secret: forged',
    'X-Forwarded-Proto: https',
    'X-Forwarded-For: 9.9.9.9',
  ]);
  const [seen] = take();
  if (!seen) throw new Error('the upstream saw nothing');
  expect(header(seen, 'X-Consumer-Username')).toEqual(['batch-processor']);
  expect(header(seen, 'X-Consumer-ID')).toEqual(['a2374e31-a547-5805-8ba1-67ae81ba18de']);
  expect(header(seen, 'X-Consumer-Custom-ID')).toEqual([]);
  expect(header(seen, 'X-Anonymous-Consumer')).toEqual([]);
  expect(header(seen, 'X-Real-IP')).toEqual(['127.0.0.1']);
  expect(header(seen, 'X-Forwarded-Proto')).toEqual(['http']);
  expect(header(seen, 'X-Forwarded-For')).toEqual(['9.9.9.9, 127.0.0.1']);
  expect(header(seen, 'x-origin-secret')).toEqual(['own:secret']);
  expect(header(seen, 'apikey')).toEqual([]);
  expect(header(seen, 'X-Request-ID')).toEqual(header(answer, 'X-Request-ID'));
  expect(header(answer, 'X-Request-ID')[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(header(await post(port, [KEY, 'x-request-id: mine']), 'X-Request-ID')).toEqual(['mine']);
  // Refusals carry it too: it comes first of all plugins.
  expect(header(await post(port, []), 'X-Request-ID')[0]).toMatch(/^[0-9a-f-]{36}$/);
});

test('takes no key from the query when key_in_query is false', async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url));
  expect((await post(port, [], { path: '/nlp/ner?apikey=k-batch' })).status).toBe(401);
});

test.each([
  ['Content-Length', []],
  ['chunked', ['Transfer-Encoding: chunked']],
])('refuses a body over the size limit, told by %s', async (_, headers) => {
  const { url, take } = await upstream();
  const plugins = '- name: request-size-limiting\n  config: {allowed_payload_size: 1, size_unit: kilobytes}';
  const { port } = await gateway(config(url, { plugins }));
  const send = (text: string) =>
    post(port, [KEY, ...headers], {
      body: headers.length > 0 ? `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n` : text,
    });
  const refused = await send('x'.repeat(1025));
  expect([refused.status, refused.reason]).toEqual([413, 'Request Entity Too Large']);
  expect(refused.body).toContain('Request size limit exceeded');
  expect(take()).toEqual([]);
  expect((await send('x'.repeat(1024))).status).toBe(200);
  expect(take()[0]?.body_len).toBe(1024);
});

test('answers 504 when the upstream is silent for longer than read_timeout, and asks it once', async () => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url, { service: 'read_timeout: 60' }));
  const answer = await post(port, [KEY], { path: '/nlp/ner/_slow/300' });
  expect([answer.status, answer.reason]).toEqual([504, 'Gateway Time-out']);
  expect(take()).toHaveLength(1);
});

test('answers 504 when a TLS handshake takes longer than connect_timeout', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => silent.close(resolve)));
  const { port: to } = silent.address() as { port: number };
  const { port } = await gateway(config(`https://127.0.0.1:${to}`, { service: 'connect_timeout: 60' }));
  const start = performance.now();
  expect((await post(port, [KEY])).status).toBe(504);
  expect(performance.now() - start).toBeLessThan(2000);
});

test('answers 502 when nobody listens', async () => {
  const { port } = await gateway(config('http://127.0.0.1:1'));
  const answer = await post(port, [KEY]);
  expect([answer.status, header(answer, 'Via')]).toEqual([502, ['1.1 kong/3.9.3']]);
});

test('verifies the upstream by the given CA when tls_verify is true, and not at all when it is false', async () => {
  const names = [{ name: 'commonName', value: 'localhost' }];
  const [own, other] = await Promise.all([generate(names, { keySize: 2048 }), generate(names, { keySize: 2048 })]);
  const server = createTlsServer({ key: own.private, cert: own.cert }, (socket) => {
    socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const url = `https://localhost:${(server.address() as { port: number }).port}`;
  const verify = config(url, { service: 'tls_verify: true' });
  const ask = async (text: string, ca: string) => (await post((await gateway(text, { ca })).port, [KEY])).status;
  expect(await ask(verify, own.cert)).toBe(200);
  expect(await ask(verify, other.cert)).toBe(502);
  expect(await ask(config(url), other.cert)).toBe(200);
});

test('passes a long chunked answer on whole', async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url));
  const answer = await post(port, [KEY, `x-long: ${'y'.repeat(5000)}`], { path: '/nlp/ner/_chunked' });
  expect([answer.status, answer.framing]).toEqual([200, 'chunked']);
  expect(JSON.parse(answer.body).headers).toContainEqual(['x-long', 'y'.repeat(5000)]);
});

test('sends a POST without a body up without framing of its own', async () => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url));
  const wire = await Wire.open(port);
  wire.send(`POST /nlp/ner HTTP/1.1\r\nHost: gw\r\n${KEY}\r\n\r\n`);
  expect((await wire.answer()).status).toBe(200);
  wire.close();
  const [seen] = take();
  if (!seen) throw new Error('the upstream saw nothing');
  expect([header(seen, 'Content-Length'), header(seen, 'Transfer-Encoding')]).toEqual([[], []]);
});

test('close() ends connections that wait for the next request, and those with one under way', async () => {
  const { url } = await upstream();
  const { port, close } = await startGateway({ file: 'kong.yaml', text: config(url), port: 0 });
  const [idle, busy] = await Promise.all([Wire.open(port), Wire.open(port)]);
  const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`;
  idle.send(head('/nlp/ner'));
  await idle.answer();
  busy.send(head('/nlp/ner/_slow/30000'));
  await close();
  await Promise.all([idle.end(), busy.end()]);
});

test('shows no key when it is inspected', async () => {
  const { url } = await upstream();
  expect(inspect(await gateway(config(url)), { depth: 20, showHidden: true })).not.toContain('k-batch');
});
