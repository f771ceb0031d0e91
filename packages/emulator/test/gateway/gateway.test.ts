import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { Wire } from '../../conformance/wire.js';
import { type Answered, startGateway } from '../../src/gateway/gateway.js';
import { cleanups, config, gateway, header, post, upstream } from './start.js';

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

test.each([110, 150])('admits as many of %i at once over a limit of 100 as Kong was recorded to', async (count) => {
  const golden = new URL('golden/', import.meta.url);
  const recorded = ['11-warm-burst-w1.jsonl', '11-warm-burst-w2.jsonl']
    .flatMap((name) => readFileSync(new URL(name, golden), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as { sent: number; ok: number })
    .filter(({ sent }) => sent === count)
    .map(({ ok }) => ok);
  expect(recorded).toHaveLength(10);
  const { url } = await upstream();
  const { port } = await gateway(config(url, { plugins: '- name: rate-limiting\n  config: {minute: 100}' }), {
    now: () => 0,
  });
  const wires = await Promise.all(Array.from({ length: count }, () => Wire.open(port)));
  // Node accepts one connection a turn of its event loop. On accepted ones, all requests are at hand in one turn.
  for (const wire of wires) wire.send('POST /nlp/ner HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n');
  for (const wire of wires) expect((await wire.answer()).status).toBe(401);
  for (const wire of wires) wire.send(`POST /nlp/ner HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`);
  const answers = await Promise.all(wires.map((wire) => wire.answer()));
  for (const wire of wires) wire.close();
  const admitted = answers.filter(({ status }) => status === 200).length;
  expect(admitted).toBeGreaterThanOrEqual(Math.min(...recorded));
  expect(admitted).toBeLessThanOrEqual(Math.max(...recorded));
  expect((await post(port, [KEY])).status).toBe(429);
});

test('admits exactly the limit one by one, each sent as soon as the one before is answered', async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url, { plugins: MINUTE_3 }), { now: () => 0 });
  const wire = await Wire.open(port);
  const statuses = [];
  for (let i = 0; i < 6; i++) {
    wire.send(`POST /nlp/ner HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`);
    statuses.push((await wire.answer()).status);
  }
  wire.close();
  expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
});

test('counts a request that still waits for its answer', async () => {
  const { url } = await upstream();
  const plugins = '- name: rate-limiting\n  config: {minute: 1000}';
  const { port } = await gateway(config(url, { plugins }), { now: () => 0 });
  const waiting = await Promise.all([Wire.open(port), Wire.open(port), Wire.open(port)]);
  const head = `POST /nlp/ner/_slow/60000 HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`;
  for (const wire of waiting) wire.send(head);
  let probes = 0;
  const others = async () => {
    probes += 1;
    const [left] = header(await post(port, [KEY]), 'RateLimit-Remaining');
    return 1000 - Number(left) - probes;
  };
  await expect.poll(others).toBe(3);
  for (const wire of waiting) wire.close();
});

test('reload takes a new file and keeps the counts; a bad one is refused by name and changes nothing', async () => {
  const { url } = await upstream();
  const minute = (n: number) => config(url, { plugins: `- name: rate-limiting\n  config: {minute: ${n}}` });
  const { port, reload } = await gateway(minute(5), { now: () => 0 });
  const left = async () => header(await post(port, [KEY]), 'RateLimit-Remaining')[0];
  expect([await left(), await left()]).toEqual(['4', '3']);
  reload(minute(4));
  expect(await left()).toBe('1');
  expect(() => reload(minute(9).replace('key-auth', 'jwt'))).toThrow(/^kong\.yaml:\d+: .*jwt.*not a supported plugin/s);
  expect(await left()).toBe('0');
  reload(minute(9).replace('k-batch', 'k-new'));
  expect((await post(port, [KEY])).status).toBe(401);
  expect(header(await post(port, ['apikey: k-new']), 'RateLimit-Remaining')).toEqual(['4']);
});

test('a request under way goes on by the config that it began with', async () => {
  const { url } = await upstream();
  const { port, reload } = await gateway(config(url));
  const slow = post(port, [KEY], { path: '/nlp/ner/_slow/200' });
  await post(port, [KEY]);
  reload(config('http://127.0.0.1:1'));
  expect((await post(port, [KEY])).status).toBe(502);
  expect((await slow).status).toBe(200);
});

test.each([
  ['the first of a flag and a value', '?apikey&apikey=k-batch', 'Duplicate API key found'],
  ['a flag alone', '?apikey', 'No API key found in request'],
  ['a value twice', '?apikey=k-batch&a=1&apikey=k-batch', 'Duplicate API key found'],
  ['an escaped name', '?%61pikey=k-batch', undefined],
  ['an escaped value', '?apikey=k%2Dbatch', undefined],
])('a key in the query: %s', async (_, query, message) => {
  const { url } = await upstream();
  const { port } = await gateway(config(url).replace('{key_in_query: false, hide_credentials: true}', '{}'));
  const answer = await post(port, [], { path: `/nlp/ner${query}` });
  expect(answer.status).toBe(message ? 401 : 200);
  if (message) expect(answer.body).toContain(message);
});

test('takes a plugin without config by its defaults', async () => {
  const { url } = await upstream();
  const text = config(url).replace(/name: key-auth\n.*config: .*\n/, 'name: key-auth\n');
  const { port } = await gateway(text);
  expect((await post(port, [], { path: '/nlp/ner?apikey=k-batch' })).status).toBe(200);
});

const TRANSFORMER = 'request-transformer, as documented (there is no recording of it)';

// [what, config, what the caller sends, x-a as the upstream sees it]
test.each([
  ['adds a header that is missing', '{add: {headers: ["x-a:1"]}}', [], ['1']],
  ['adds none that is there', '{add: {headers: ["x-a:1"]}}', ['X-A: own'], ['own']],
  ['keeps colons of a value', '{add: {headers: ["x-a:b:c"]}}', [], ['b:c']],
  ['removes a header, whatever its case, every time', '{remove: {headers: [X-a]}}', ['x-a: 1', 'X-A: 2'], []],
  ['removes before it adds', '{remove: {headers: [x-a]}, add: {headers: ["x-a:1"]}}', ['x-a: forged'], ['1']],
  ['leaves the others alone', '{remove: {headers: [x-b]}}', ['x-a: 1', 'x-b: 2'], ['1']],
])(`${TRANSFORMER}: %s`, async (_, transformer, sent, expected) => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url, { plugins: `- name: request-transformer\n  config: ${transformer}` }));
  expect((await post(port, [KEY, ...sent])).status).toBe(200);
  const [seen] = take();
  expect(seen && header(seen, 'x-a')).toEqual(expected);
});

test(`${TRANSFORMER}: it sets every header anew`, async () => {
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head) => {
        const body = JSON.stringify(String(head).split('\r\n'));
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const plugins = '- name: request-transformer\n  config: {add: {headers: ["x-new:1"]}}';
  const { port } = await gateway(config(url, { plugins }));
  const sent = [KEY, 'X-Dup: 1', 'X-A: 1', 'X-Empty:', 'X-DUP: 2', 'X-B: 2'];
  const lines: string[] = JSON.parse((await post(port, sent)).body);
  expect(lines.filter((line) => /^x-dup/i.test(line))).toEqual(['X-Dup: 1', 'x-dup: 2']);
  expect(lines.indexOf('x-dup: 2')).toBeGreaterThan(lines.indexOf('X-B: 2'));
  const from = lines.indexOf('X-A: 1');
  expect(lines.slice(from, from + 3)).toEqual(['X-A: 1', 'X-Empty:  ', 'X-B: 2']);
  expect(lines.at(-3)).toBe('x-new: 1');
});

test(`${TRANSFORMER}: Host is neither removed nor added`, async () => {
  const { url, take } = await upstream();
  const plugins = '- name: request-transformer\n  config: {remove: {headers: [Host]}, add: {headers: ["host:evil"]}}';
  const { port } = await gateway(config(url, { plugins }));
  expect((await post(port, [KEY])).status).toBe(200);
  const [seen] = take();
  expect(seen && header(seen, 'Host')).toEqual([url.slice('http://'.length)]);
});

test('tells the upstream who calls, whatever the caller claims, and hides the key', async () => {
  const { url, take } = await upstream();
  const plugins = `- name: request-transformer
  config: {remove: {headers: [authorization]}, add: {headers: ['authorization:Bearer own:secret']}}
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
    'authorization: Bearer forged',
    'Proxy-Authorization: Basic eDp5',
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
  expect(header(seen, 'authorization')).toEqual(['Bearer own:secret']);
  expect(header(seen, 'apikey')).toEqual([]);
  expect(header(seen, 'X-Request-ID')).toEqual(header(answer, 'X-Request-ID'));
  expect(header(answer, 'X-Request-ID')[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(header(await post(port, [KEY, 'x-request-id: mine']), 'X-Request-ID')).toEqual(['mine']);
  // Refusals carry it too: it comes first of all plugins.
  expect(header(await post(port, []), 'X-Request-ID')[0]).toMatch(/^[0-9a-f-]{36}$/);
});

test('a query goes up written anew where keys are hidden', async () => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url));
  await post(port, [KEY], { path: '/nlp/ner?b=a%20b&\xc3\xa9&&apikey=x&c=/' });
  expect(take()[0]?.path).toBe('/?b=a+b&%C3%A9=&c=%2F');
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

test('chunks are looked at to their end before they are too many', async () => {
  const { url, take } = await upstream();
  const plugins = '- name: request-size-limiting\n  config: {allowed_payload_size: 1, size_unit: kilobytes}';
  const { port } = await gateway(config(url, { plugins }));
  const body = `1000\r\n${'x'.repeat(4096)}\r\n`.repeat(3);
  const send = (end: string) => post(port, [KEY, 'Transfer-Encoding: chunked'], { body: `${body}${end}` });
  expect((await send('zz\r\n')).status).toBe(400);
  expect((await send('0\r\n\r\n')).status).toBe(413);
  expect(take()).toEqual([]);
});

test('answers 504 when the upstream is silent for longer than read_timeout, and asks it once', async () => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url, { service: 'read_timeout: 60' }));
  const answer = await post(port, [KEY], { path: '/nlp/ner/_slow/300' });
  expect([answer.status, answer.reason]).toEqual([504, 'Gateway Time-out']);
  expect(take()).toHaveLength(1);
});

test("divides a service's time-outs by the time scale", async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url, { service: 'read_timeout: 60000' }), { timeScale: 1000 });
  expect((await post(port, [KEY], { path: '/nlp/ner/_slow/50000' })).status).toBe(504);
});

test('answers 504 when a TLS handshake takes longer than connect_timeout', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => silent.close(resolve)));
  const { port: to } = silent.address() as { port: number };
  const { port } = await gateway(config(`https://127.0.0.1:${to}`, { service: 'connect_timeout: 60' }));
  const start = performance.now();
  expect((await post(port, [KEY])).status).toBe(504);
  // Far from the 60 s of read_timeout, after which it would be a 504, too.
  expect(performance.now() - start).toBeLessThan(30_000);
});

test('answers 504 when the upstream does not read for longer than write_timeout', async () => {
  const deaf = createServer({ pauseOnConnect: true }, (socket) => cleanups.push(() => socket.destroy()));
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => deaf.close());
  const url = `http://127.0.0.1:${(deaf.address() as { port: number }).port}`;
  const { port } = await gateway(config(url, { service: 'write_timeout: 100' }));
  // More than the sockets in between hold.
  const answer = await post(port, [KEY], { body: 'x'.repeat(32 * 1024 * 1024) });
  expect([answer.status, answer.reason]).toEqual([504, 'Gateway Time-out']);
});

test('tells of every answer once: whose, which, and what came of it, but no key and no query', async () => {
  const { url, take } = await upstream();
  const told: Answered[] = [];
  const { port } = await gateway(config(url, { plugins: MINUTE_3 }), {
    now: () => 0,
    onAnswer: (answer) => told.push(answer),
  });
  const last = async (count: number) => {
    await expect.poll(() => told.length).toBe(count);
    return told.at(-1);
  };
  const known = { consumer: 'batch-processor', route: 'nlp-ner-route', method: 'POST', limit: 3, resetS: 60 };
  const unknown = { consumer: undefined, broken: false, by: 'gateway' };
  await post(port, [KEY], { path: '/nlp/ner/x?apikey=k-load' });
  const passed = { ...known, path: '/nlp/ner/x', status: 200, broken: false, by: 'upstream', remaining: 2 };
  expect(await last(1)).toMatchObject(passed);
  expect(told[0]?.ms).toBeGreaterThan(0);
  await post(port, []);
  expect(await last(2)).toMatchObject({ ...unknown, route: 'nlp-ner-route', status: 401, path: '/nlp/ner' });
  await post(port, [], { path: '/none' });
  expect(await last(3)).toMatchObject({ ...unknown, route: undefined, status: 404 });
  const wire = await Wire.open(port);
  wire.send('no request\r\n\r\n');
  expect((await wire.answer()).status).toBe(400);
  expect(await last(4)).toMatchObject({ ...unknown, status: 400, method: '', path: '' });
  await post(port, ['Host: two'], { path: '/nlp/ner?a' });
  expect(await last(5)).toMatchObject({ ...unknown, status: 400, method: 'POST', path: '/nlp/ner' });
  expect(told.at(-1)).not.toHaveProperty('limit');
  await post(port, [KEY], { path: '/nlp/ner/_partial' });
  expect(await last(6)).toMatchObject({ ...known, status: 200, broken: true, by: 'upstream', remaining: 1 });
  const gone = await Wire.open(port);
  gone.send(`POST /nlp/ner/_slow/60000 HTTP/1.1\r\nHost: gw\r\n${KEY}\r\nContent-Length: 0\r\n\r\n`);
  await expect.poll(() => take().some(({ path }) => path === '/_slow/60000')).toBe(true);
  gone.close();
  expect(await last(7)).toMatchObject({ ...known, status: 0, broken: true, remaining: 0 });
  await post(port, [KEY]);
  expect(await last(8)).toMatchObject({ ...known, status: 429, broken: false, by: 'gateway', remaining: 0 });
  expect(JSON.stringify(told)).not.toMatch(/k-batch|k-load/);
});

test('answers 502 when nobody listens', async () => {
  const { port } = await gateway(config('http://127.0.0.1:1'));
  const answer = await post(port, [KEY]);
  expect([answer.status, header(answer, 'Via')]).toEqual([502, ['1.1 kong/3.9.3']]);
});

test("verifies the upstream by the service's own ca_certificates, or by nothing, and not at all without tls_verify", async () => {
  const names = [{ name: 'commonName', value: 'localhost' }];
  const extensions = [{ name: 'basicConstraints' as const, cA: true, critical: true }];
  const [own, other] = await Promise.all([1, 2].map(() => generate(names, { keySize: 2048, extensions })));
  const server = createTlsServer({ key: own?.private, cert: own?.cert }, (socket) => {
    socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const url = `https://localhost:${(server.address() as { port: number }).port}`;
  const id = '8b3ffb38-05ac-4d2c-a5be-ad8e12a1e0b1';
  const ask = async (service: string, pem = '') => {
    const authorities = pem && stringify({ ca_certificates: [{ id, cert: pem }] });
    return (await post((await gateway(config(url, { service }) + authorities)).port, [KEY])).status;
  };
  const verify = `tls_verify: true\nca_certificates: [${id}]`;
  expect(await ask(verify, own?.cert)).toBe(200);
  expect(await ask(verify, other?.cert)).toBe(502);
  expect(await ask('tls_verify: true', own?.cert)).toBe(502);
  expect(await ask('')).toBe(200);
});

test.each([
  ['Content-Length: 1000', '{"half":', 'end', 'content-length', '{"half":'],
  ['Content-Length: 1000', '{"half":', 'resetAndDestroy', 'content-length', ''],
  ['Transfer-Encoding: chunked', '8\r\n{"half":\r\n', 'end', 'chunked', '{"half":'],
  ['Transfer-Encoding: chunked', '8\r\n{"half":\r\n', 'resetAndDestroy', 'chunked', '{"half":'],
  ['X-Length: untold', '{"half":', 'resetAndDestroy', 'chunked', ''],
] as const)(
  'of an answer (%s) that breaks off after %j by %s, %s, what came goes on, but for the last buffer of a reset',
  async (line, half, how, framing, body) => {
    const server = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n${half}`);
          setTimeout(() => socket[how](), 50);
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = await gateway(config(`http://127.0.0.1:${(server.address() as { port: number }).port}`));
    const answer = await post(port, [KEY]);
    expect([answer.status, answer.framing, answer.body]).toEqual([200, `${framing} (connection closed early)`, body]);
  },
);

test('of a longer answer that is reset, whole buffers go on, of which the first had the head, too', async () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n';
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        socket.write(head + 'x'.repeat(9000));
        setTimeout(() => socket.resetAndDestroy(), 50);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = await gateway(config(`http://127.0.0.1:${(server.address() as { port: number }).port}`));
  expect((await post(port, [KEY])).body).toBe('x'.repeat(2 * 4096 - head.length));
});

test.each([
  ['two lengths', 'Content-Length: 2\r\nContent-Length: 3'],
  ['a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked'],
  ['a length below 0', 'Content-Length: -2'],
  ['a length that is no decimal number', 'Content-Length: 0x2'],
  ['a CR within a header', 'X-A: a\rContent-Length: 2'],
  ['a control character in a name', 'X\x01: a'],
])('answers 502 to an upstream whose answer has %s', async (_, lines) => {
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\n{}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const { port } = await gateway(config(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  expect((await post(port, [KEY])).status).toBe(502);
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

test('close() leaves no connection to the upstream', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('close', () => {
      connections -= 1;
    });
    socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const { port, close } = await startGateway({ file: 'kong.yaml', text: config(url), port: 0 });
  await post(port, [KEY]);
  expect(connections).toBe(1);
  await close();
  await expect.poll(() => connections).toBe(0);
});

test('shows no key when it is inspected', async () => {
  const { url } = await upstream();
  expect(inspect(await gateway(config(url)), { depth: 20, showHidden: true })).not.toContain('k-batch');
});
