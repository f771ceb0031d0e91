// What nginx refuses before Kong sees it, over real sockets. Recorded cases stand in golden/; these are from nginx's
// source (ngx_http_request.c, ngx_http_parse.c of 1.25).
import { beforeAll, expect, test } from 'vitest';
import { startUpstream } from '../../conformance/upstream.js';
import { Wire } from '../../conformance/wire.js';
import { startGateway } from '../../src/gateway/gateway.js';
import { config, header } from './start.js';

let port = 0;
let take: Awaited<ReturnType<typeof startUpstream>>['take'];

beforeAll(async () => {
  const upstream = await startUpstream();
  take = upstream.take;
  const text = config(`http://127.0.0.1:${upstream.port}`).replace('        methods: [POST]\n', '');
  const gateway = await startGateway({ file: 'kong.yaml', text, port: 0 });
  port = gateway.port;
  return async () => {
    await gateway.close();
    await upstream.close();
  };
});

const HOST = 'Host: gw.test';
const JSON_BODY = 'Content-Type: application/json';
const KEY = 'apikey: k-batch';
const HTML = 'Accept: text/html';
const EMPTY = 'Content-Length: 0';

async function ask(lines: string[], body = '') {
  const wire = await Wire.open(port);
  wire.send(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const answer = await wire.answer(lines[0]?.split(' ')[0]);
  if (header(answer, 'Connection')[0] === 'close') await wire.end();
  wire.close();
  return answer;
}

const LINE = 'POST /nlp/ner HTTP/1.1';
const TOO_LARGE = 'Request header or cookie too large';
const long = (bytes: number) => 'b'.repeat(bytes);
const many = (count: number, bytes: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${long(bytes)}`);

// [what, head, status, media type of the page, its message]
test.each([
  ['a target that is no path', ['OPTIONS * HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['a space in the target', ['POST /nlp/n er HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['two hosts', [LINE, HOST, HTML, HOST], 400, 'text/html', 'Bad request'],
  ['an empty host', [LINE, 'Host:', HTML], 400, 'text/plain', 'Bad request'],
  ['a host that is a port alone', [LINE, 'Host: :80', HTML], 400, 'text/plain', 'Bad request'],
  ['a host with a space', [LINE, 'Host: gw test', HTML], 400, 'text/plain', 'Bad request'],
  ['a host with a slash', [LINE, HTML, 'Host: gw/test'], 400, 'text/html', 'Bad request'],
  ['a host with two dots', [LINE, HTML, 'Host: gw..test:80'], 400, 'text/html', 'Bad request'],
  ['a URL whose host is none', ['POST http://gw..test/nlp/ner HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad req'],
  ['a step above the root', ['POST /nlp/../../nlp/ner HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['an escaped one', ['POST /a%2f%2e%2E/%2e./nlp/ner HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['an escape that is none', ['POST /nlp/ner/%zz HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['half an escape', ['POST /nlp/ner/% HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['an escaped NUL', ['POST /nlp/ner/%00 HTTP/1.1', HOST, HTML], 400, 'text/plain', 'Bad request'],
  ['TRACE', ['TRACE /nlp/ner HTTP/1.1', HOST, HTML], 405, 'text/html', '405 Not Allowed'],
  ['what may come once, twice', [LINE, HOST, HTML, 'Expect: a', 'expect: a', JSON_BODY], 400, 'text/html', 'Bad req'],
  ['two Authorizations', [LINE, HOST, 'Authorization: a', 'AUTHORIZATION: b', HTML], 400, 'text/plain', 'Bad request'],
  ['no host', [LINE, HTML], 400, 'text/html', 'Bad request'],
  ['two lengths', [LINE, HOST, HTML, EMPTY, EMPTY, JSON_BODY], 400, 'text/html', 'Bad request'],
  [
    'a length that is none, the Accept behind it',
    [LINE, HOST, 'Content-Length: x', HTML],
    400,
    'text/html',
    'Bad request',
  ],
  ['a length and chunks', [LINE, HOST, EMPTY, 'Transfer-Encoding: chunked', HTML], 400, 'text/html', 'Bad request'],
  [
    'chunks in HTTP/1.0',
    ['POST /nlp/ner HTTP/1.0', HOST, 'Transfer-Encoding: chunked', HTML],
    400,
    'text/html',
    'Bad request',
  ],
  ['a name that is none', [LINE, HOST, HTML, 'a b: c', JSON_BODY], 400, 'text/html', 'Bad request'],
  ['another coding', [LINE, HOST, HTML, 'Transfer-Encoding: gzip'], 501, 'text/html', '501 Not Implemented'],
  ['another coding with a length', [LINE, HOST, EMPTY, 'Transfer-Encoding: gzip'], 501, 'text/html', '501 Not'],
  ['another coding before chunks', [LINE, HOST, 'Transfer-Encoding: gzip, chunked'], 501, 'text/html', '501 Not'],
  ['a request line over 8 KiB', [`POST /${long(8192)} HTTP/1.1`, HOST, HTML], 414, 'text/plain', 'URI too long'],
  ['one of 50 KB', [`POST /${long(50_000)} HTTP/1.1`, HOST, HTML], 414, 'text/plain', 'URI too long'],
  ['a header line over 8 KiB', [LINE, HOST, HTML, `X: ${long(8188)}`], 400, 'text/html', TOO_LARGE],
  ['one of 50 KB', [LINE, HOST, HTML, `X: ${long(50_000)}`], 400, 'text/html', TOO_LARGE],
  ['1,001 headers', [LINE, HOST, HTML, ...many(999, 1)], 400, 'text/html', TOO_LARGE],
  ['HTTP/2', ['POST /nlp/ner HTTP/2.0', HOST], 505, 'text/html', '505 HTTP Version Not Supported'],
  ['HTTP/3 in short', ['POST /nlp/ner HTTP/3', HOST], 505, 'text/html', '505 HTTP Version Not Supported'],
  ['HTTP/1 in short', ['POST /nlp/ner HTTP/1', HOST], 400, 'text/plain', 'Bad request'],
  ['a line without a version', ['GET /nlp/ner', HOST], 400, 'text/plain', 'Bad request'],
  ['an end of two CRs', [LINE, HOST, HTML, 'X-A: 1', '\r'], 400, 'text/html', 'Bad request'],
  ['a folded header', [LINE, HOST, HTML, ' more'], 400, 'text/html', 'Bad request'],
  ['a CR in a value', [LINE, HOST, HTML, 'X-A: a\rb'], 400, 'text/html', 'Bad request'],
  ['headers over 33 KiB', [LINE, HOST, HTML, ...many(7, 5000)], 400, 'text/html', TOO_LARGE],
  ['five lines of which no two have room in one buffer', [LINE, HOST, ...many(5, 4200)], 400, 'text/plain', TOO_LARGE],
  ['2,000 headers', [LINE, HOST, ...many(2000, 10)], 400, 'text/plain', TOO_LARGE],
])('refuses %s', async (_, lines, status, type, message) => {
  const answer = await ask(lines);
  expect(answer.status).toBe(status);
  expect(header(answer, 'Content-Type')[0]?.toLowerCase()).toBe(`${type}; charset=utf-8`);
  expect(answer.body).toContain(message);
  expect(header(answer, 'Connection')).toEqual(['close']);
  expect(take()).toEqual([]);
});

test.each([
  ['a request line of 8 KiB', [`POST /nlp/ner?${long(8192 - 25)} HTTP/1.1`, HOST, KEY, EMPTY]],
  ['a header line of 8 KiB', [LINE, HOST, KEY, EMPTY, `X: ${long(8192 - 5)}`]],
  ['four lines of 5 KB', [LINE, HOST, KEY, EMPTY, ...many(4, 5000)]],
  ['eight lines of 4 KB', [LINE, HOST, KEY, EMPTY, ...many(8, 4080)]],
  ['a value whose line ends with two CRs', [LINE, HOST, KEY, EMPTY, 'X-A: 1\r']],
  ['a whole URL', ['POST http://gw.test:8000/nlp/ner HTTP/1.1', HOST, KEY, EMPTY]],
  ['a thousand headers', [LINE, HOST, KEY, EMPTY, ...many(997, 1)]],
  ['empty lines before it', ['', '', LINE, HOST, KEY, EMPTY]],
  ['a header without a colon', [LINE, HOST, KEY, EMPTY, 'X-A']],
  ['a path down and up again', ['POST /a/../nlp/./ner HTTP/1.1', HOST, KEY, EMPTY]],
])('takes %s', async (_, lines) => {
  expect((await ask(lines)).status).toBe(200);
  take();
});

test('a caller that goes on to send after it was refused can read the answer', async () => {
  const wire = await Wire.open(port);
  wire.send(`${LINE}\r\n${HOST}\r\na b: c\r\nContent-Length: 3000000\r\n\r\n${long(3_000_000)}`);
  expect((await wire.answer()).status).toBe(400);
  await wire.end();
});

// [head, interim answers, status]
test.each([
  [[LINE, HOST, KEY, 'Expect: 100-continue', EMPTY], [100], 200],
  [[LINE, HOST, KEY, 'Expect: 100-CONTINUE', EMPTY], [100], 200],
  [[LINE, HOST, 'Expect: 100-continue', EMPTY], [100], 401],
  [[LINE, 'Expect: 100-continue', EMPTY], [], 400],
  [['POST /nlp/ner HTTP/1.0', HOST, KEY, 'Expect: 100-continue', EMPTY], [], 200],
  [[LINE, HOST, KEY, 'Expect: something', EMPTY], [], 200],
])('%j is told to go on by %j, then answered %i', async (lines, interim, status) => {
  const answer = await ask(lines);
  expect([answer.interim, answer.status]).toEqual([interim, status]);
  take();
});

// [what, bytes behind the first request, what comes behind its answer]
test.each([
  ['bytes after the body', 'surplus', 400],
  ['a second request that is none', 'GET / HTTP/1.1\r\na b: c\r\n\r\n', 400],
  ['a second request without a key', `${LINE}\r\n${HOST}\r\n${EMPTY}\r\n\r\n`, 401],
])('%s do not lose the answer before', async (_, rest, then) => {
  const wire = await Wire.open(port);
  wire.send(`POST /nlp/ner/_slow/50 HTTP/1.1\r\n${HOST}\r\n${KEY}\r\nContent-Length: 2\r\n\r\n{}${rest}\r\n\r\n`);
  expect((await wire.answer()).status).toBe(200);
  expect((await wire.answer()).status).toBe(then);
  wire.close();
  expect(take().map(({ body }) => body)).toEqual(['{}']);
});

test('lines may end with a bare LF', async () => {
  const wire = await Wire.open(port);
  wire.send(`${[LINE, HOST, KEY, EMPTY].join('\n')}\n\n`);
  expect((await wire.answer()).status).toBe(200);
  wire.close();
  take();
});

test('a whole URL without a path is that of the root', async () => {
  expect((await ask(['POST http://gw.test HTTP/1.1', HOST, KEY, EMPTY])).body).toContain('no Route matched');
});

test('a path that is not UTF-8 has no route, and one that is goes up escaped', async () => {
  for (const path of ['/nlp/ner/\xff', '/nlp/ner/%ff']) {
    expect((await ask([`POST ${path} HTTP/1.1`, HOST, KEY, EMPTY])).status).toBe(404);
  }
  expect((await ask(['POST /nlp/ner/\xc3\xa9%C3%A9 HTTP/1.1', HOST, KEY, EMPTY])).status).toBe(200);
  expect(take().map(({ path }) => path)).toEqual(['/%C3%A9%C3%A9']);
});

test('requests of one write go up one after the other and are answered in order', async () => {
  const wire = await Wire.open(port);
  const head = (path: string) => `POST ${path} HTTP/1.1\r\n${HOST}\r\n${KEY}\r\n${EMPTY}\r\n\r\n`;
  wire.send(head('/nlp/ner/_slow/100') + head('/nlp/ner/b') + head('/none') + head('/nlp/ner/c'));
  await expect.poll(() => take().map(({ path }) => path)).toEqual(['/_slow/100']);
  const answers = [await wire.answer(), await wire.answer(), await wire.answer(), await wire.answer()];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200]);
  expect(take().map(({ path }) => path)).toEqual(['/b', '/c']);
  wire.close();
});

// [what, head, header, as the upstream sees it]
test.each([
  ['a host in capitals with a port', [LINE, 'Host: GW.Test.:80', KEY, EMPTY], 'X-Forwarded-Host', ['gw.test']],
  ['a host with a port that is none', [LINE, 'Host: gw.test:abc', KEY, EMPTY], 'X-Forwarded-Host', ['gw.test']],
  ['a host that is an address', [LINE, 'Host: [::1]:80', KEY, EMPTY], 'X-Forwarded-Host', ['[::1]']],
  ['no header of a name that nginx drops', [LINE, HOST, KEY, EMPTY, 'X.Dot: 1'], 'X.Dot', []],
  ['a header with an underscore', [LINE, HOST, KEY, EMPTY, 'X_Y: 1'], 'X_Y', ['1']],
  ['no host in HTTP/1.0', ['POST /nlp/ner HTTP/1.0', KEY, EMPTY], 'X-Forwarded-Host', ['kong']],
  [
    'the first of several addresses',
    [LINE, HOST, KEY, EMPTY, 'X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2'],
    'X-Forwarded-For',
    ['1.1.1.1, 127.0.0.1'],
  ],
  ['an empty value', [LINE, HOST, KEY, EMPTY, 'X-A:'], 'X-A', ['']],
  [
    'tabs of a value, without the spaces around it',
    [LINE, HOST, KEY, EMPTY, 'X-A:  \ta \t b\t  '],
    'X-A',
    ['\ta \t b\t'],
  ],
  ['control bytes of a value', [LINE, HOST, KEY, EMPTY, 'X-A: a\x01b'], 'X-A', ['a\x01b']],
  [
    'the host of a whole URL',
    ['POST https://Other.test:1/nlp/ner HTTP/1.1', HOST, KEY, EMPTY],
    'X-Forwarded-Host',
    ['other.test'],
  ],
  [
    'the path of a whole URL',
    ['POST http://gw.test/nlp/ner?a HTTP/1.1', HOST, KEY, EMPTY],
    'X-Forwarded-Path',
    ['/nlp/ner'],
  ],
  ['TE as far as it wants trailers', [LINE, HOST, KEY, EMPTY, 'TE: gzip, Trailers'], 'TE', ['trailers']],
  ['no other TE', [LINE, HOST, KEY, EMPTY, 'TE: gzip'], 'TE', []],
  ['no header that Connection names', [LINE, HOST, KEY, EMPTY, 'Connection: x-hop', 'X-Hop: 1'], 'X-Hop', []],
  ['a Trailer field', ['GET /nlp/ner HTTP/1.1', HOST, KEY, 'Trailer: X-T'], 'Trailer', ['X-T']],
])('passes up %s', async (_, lines, name, expected) => {
  expect((await ask(lines)).status).toBe(200);
  const [seen] = take();
  expect(seen && header(seen, name)).toEqual(expected);
});

test('headers go up where they stood and in their own case, those of one name too', async () => {
  const lines = [LINE, HOST, KEY, 'X-Dup: a', 'Content-Type: text/plain', 'x-dup: b', 'X-Other: c', 'X-Dup: d', EMPTY];
  expect((await ask(lines)).status).toBe(200);
  const names = take()[0]?.headers.map((pair) => pair.join(': ')) ?? [];
  expect(names.slice(names.indexOf('X-Dup: a')).slice(0, 5)).toEqual([
    'X-Dup: a',
    'Content-Type: text/plain',
    'x-dup: b',
    'X-Other: c',
    'X-Dup: d',
  ]);
});

// [target, as it goes up]
test.each([
  ['/nlp/ner/a?x=1#y', '/a?x=1'],
  ['/nlp/ner/a#x?y', '/a#x'],
  ['/nlp/ner/a?', '/a?'],
  ['/nlp/ner/a?#x', '/a'],
])('the query of %s ends at #', async (target, path) => {
  expect((await ask([`POST ${target} HTTP/1.1`, HOST, KEY, EMPTY])).status).toBe(200);
  expect(take()[0]?.path).toBe(path);
});

// [version, Connection, of the answer]
test.each([
  ['1.1', ['close', 'keep-alive'], 'keep-alive'],
  ['1.1', ['keep-alive', 'x, Close'], 'close'],
  ['1.0', ['keep-alive, close'], 'close'],
  ['1.0', ['close', 'Keep-Alive'], 'keep-alive'],
  ['1.0', ['x-hop'], 'close'],
])('HTTP/%s, Connection %j: the last that says it counts', async (version, sent, connection) => {
  const lines = [`POST /nlp/ner HTTP/${version}`, HOST, KEY, EMPTY, ...sent.map((value) => `Connection: ${value}`)];
  expect(header(await ask(lines), 'Connection')).toEqual([connection]);
  take();
});

test('HEAD through the gateway has the headers of an answer and no body', async () => {
  const head = await ask(['HEAD /nlp/ner HTTP/1.1', HOST, KEY]);
  expect([head.status, head.body]).toEqual([200, '']);
  expect(Number(header(head, 'Content-Length')[0])).toBeGreaterThan(100);
  // That upstream sends a body all the same.
  const chunked = await ask(['HEAD /nlp/ner/_chunked HTTP/1.1', HOST, KEY]);
  expect([chunked.status, chunked.body, header(chunked, 'Transfer-Encoding')]).toEqual([200, '', []]);
  expect((await ask([LINE, HOST, KEY, EMPTY])).status).toBe(200);
  take();
});

test('a chunked answer goes down in chunks; to HTTP/1.0 it ends with the connection', async () => {
  const long = `x-long: ${'y'.repeat(5000)}`;
  const chunked = await ask(['POST /nlp/ner/_chunked HTTP/1.1', HOST, KEY, EMPTY, long]);
  expect([chunked.status, chunked.framing, header(chunked, 'Content-Length')]).toEqual([200, 'chunked', []]);
  expect(chunked.headers.slice(0, 3).map(([name]) => name)).toEqual([
    'Content-Type',
    'Transfer-Encoding',
    'Connection',
  ]);
  expect(JSON.parse(chunked.body).headers).toContainEqual(['x-long', 'y'.repeat(5000)]);
  const old = await ask(['POST /nlp/ner/_chunked HTTP/1.0', HOST, KEY, EMPTY, 'Connection: keep-alive']);
  expect([old.status, old.framing, header(old, 'Connection')]).toEqual([200, 'close', ['close']]);
  expect(JSON.parse(old.body).method).toBe('POST');
  take();
});

test.each([
  ['a size that is none', 'zz'],
  ['a size that is too large', 'fffffffffffffffff'],
  ['more than the size', '2\r\n{}{'],
  ['a line end of two CRs', '2\r\n{}\r\r'],
  ['a trailer with a CR', '0\r\nA: b\rc'],
  ['an extension with a CR', '2;a\rb'],
])('chunks with %s are refused as soon as that has come', async (_, body) => {
  const answer = await ask([LINE, HOST, KEY, 'Transfer-Encoding: chunked'], body);
  expect([answer.status, header(answer, 'Connection')]).toEqual([400, ['close']]);
  expect(take()).toEqual([]);
});
