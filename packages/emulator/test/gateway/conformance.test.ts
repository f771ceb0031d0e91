import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { difference } from '../../conformance/compare.js';
import { conformance, report } from '../../conformance/conformance.js';
import { body } from '../../conformance/replay.js';
import { startUpstream } from '../../conformance/upstream.js';
import { Wire } from '../../conformance/wire.js';

const GOLDEN = new URL('golden', import.meta.url).pathname;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder of recordings: the golden configs, and the given lines. */
function recordings(lines: unknown[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'recordings-'));
  folders.push(folder);
  cpSync(join(GOLDEN, 'configs'), join(folder, 'configs'), { recursive: true });
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  writeFileSync(join(folder, 'a.jsonl'), text);
  return folder;
}

// biome-ignore lint/suspicious/noExplicitAny: recordings are JSON that the tests change.
function golden(file: string, name: string): any {
  const lines = readFileSync(join(GOLDEN, file), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).find((line) => line.case === name);
}

async function run(lines: unknown[]): Promise<{ code: number; printed: string[] }> {
  const printed: string[] = [];
  const code = report(await conformance(recordings(lines)), (line) => printed.push(line));
  return { code, printed };
}

test('answers every golden case as Kong did', async () => {
  const printed: string[] = [];
  const code = report(await conformance(GOLDEN), (line) => printed.push(line));
  expect(printed.filter((line) => line.includes('differs'))).toEqual([]);
  expect(printed.at(-1)).toBe('304 of 304 cases match, 64 not supported');
  expect(code).toBe(0);
});

const no_key = () => golden('01-key-auth.jsonl', 'no_key');
const exact = () => golden('02-routing.jsonl', 'post_exact');

// [what was recorded otherwise, the record, a line of the difference]
test.each([
  ['status', { ...no_key(), response: { ...no_key().response, status: 403 } }, '+ HTTP/1.1 401 Unauthorized'],
  [
    'case of a header',
    { ...no_key(), response: mapHeaders(no_key().response, 'Server', 'server') },
    '+ Server: kong/…',
  ],
  ['body', { ...no_key(), response: { ...no_key().response, body: '{}' } }, '- body: {}'],
  ['framing', { ...no_key(), response: { ...no_key().response, framing: 'chunked' } }, '+ framing: content-length'],
  ['end of the connection', { ...no_key(), kong_closed_conn: true }, '+ the connection stays open'],
  [
    'stay of it',
    { ...golden('06-transport.jsonl', 'http10_no_keepalive'), kong_closed_conn: false },
    '+ the connection ends',
  ],
  ['no answer', { ...no_key(), response: null }, '- the connection ended without an answer'],
  ['one attempt too few', { ...exact(), upstream: [] }, '+ upstream 1: POST / HTTP/1.1'],
  [
    'a header upstream',
    { ...exact(), upstream: [mapHeaders(exact().upstream[0], 'Via', 'via')] },
    '- upstream 1: via: 1.1 kong/…',
  ],
  [
    'an echo',
    {
      ...exact(),
      response: { ...exact().response, body: exact().response.body.replace('"path": "/"', '"path": "/x"') },
    },
    '- echo: POST /x HTTP/1.1',
  ],
  [
    'an omitted request too many',
    { ...golden('03-rate-limiting.jsonl', 'upstream_sends_own_ratelimit_headers'), omitted_counted: 4 },
    '+ RateLimit-Remaining: 0',
  ],
])('finds another %s', async (_, record, line) => {
  const { code, printed } = await run([record]);
  expect(printed.slice(0, -1).join('\n')).toContain(`  ${line}`);
  expect(printed.at(-1)).toBe('0 of 1 cases match, 0 not supported');
  expect(code).toBe(1);
});

function mapHeaders<T extends { headers: [string, string][] }>(from: T, name: string, to: string): T {
  return { ...from, headers: from.headers.map(([key, value]) => [key === name ? to : key, value]) };
}

const NONE = 'No case was replayed: nothing is shown by this.';

// [what, the record, part of the reason]
test.each([
  ['a config with another plugin', { ...no_key(), config: 'other' }, 'other.yaml:3: '],
  ['a config that is not there', { ...no_key(), config: 'none' }, 'configs/none.yaml is not there'],
  ['an upstream that nothing stands for', { ...no_key(), config: 'port' }, 'the upstream 127.0.0.1:9402'],
  ['a setting outside the config', { ...no_key(), kong_env: { KONG_HEADERS: 'off' } }, 'KONG_HEADERS is a setting'],
  ['what is no request', { case: 'burst', sent: 6, ok: 6 }, 'no single HTTP/1 request'],
  ['no request', { ...no_key(), request: null }, 'no single HTTP/1 request'],
  ['a line without a boot', { ...no_key(), boot: undefined }, 'it is no recorded request: boot: '],
  ['a line that is not JSON', '{', 'it is not JSON'],
  ['a line without a case', {}, 'it has no "case"'],
  ['another way to begin', { ...no_key(), before: 'wait an hour' }, 'wait an hour'],
])('lists %s as not supported, with the reason, and replays the rest', async (_, record, reason) => {
  const folder = recordings([record, { ...no_key(), boot: 99 }]);
  writeFileSync(join(folder, 'configs/other.yaml'), '_format_version: "3.0"\nservices: []\nplugins: [{name: cors}]\n');
  const text = readFileSync(join(folder, 'configs', `${no_key().config}.yaml`), 'utf8');
  writeFileSync(join(folder, 'configs/port.yaml'), text.replaceAll(':9400', ':9402'));
  const printed: string[] = [];
  expect(report(await conformance(folder), (line) => printed.push(line))).toBe(0);
  expect(printed[0]).toContain('is not supported');
  expect(printed[0]).toContain(reason);
  expect(printed.at(-1)).toBe('1 of 1 cases match, 1 not supported');
});

test('after what is not known to have been done, nothing more of that boot is replayed', async () => {
  const { printed } = await run([no_key(), { ...no_key(), before: 'wait an hour' }, no_key()]);
  expect(printed[1]).toBe('  2 no_key, 3 no_key');
  expect(printed.at(-1)).toBe('1 of 1 cases match, 2 not supported');
});

test('what is not supported is named together, and nothing replayed is no success', async () => {
  const { code, printed } = await run([{ case: 'burst_6' }, { case: 'burst_20' }]);
  expect(printed).toEqual([
    'a.jsonl is not supported: it is no single HTTP/1 request with its answer',
    '  1 burst_6, 2 burst_20',
    NONE,
    '0 of 0 cases match, 2 not supported',
  ]);
  expect(code).toBe(1);
});

test('an answer with half a gzip body is a difference like any other', async () => {
  const record = exact();
  record.response.headers.push(['Content-Encoding', 'gzip']);
  record.response.body_encoding = 'hex';
  record.response.body = gzipSync('{}').toString('hex').slice(0, 20);
  const { printed } = await run([record]);
  expect(printed[0]).toContain('differs');
  expect(printed.join()).not.toContain('the replay failed');
  expect(printed.at(-1)).toBe('0 of 1 cases match, 0 not supported');
});

test('a folder without a line in any recording, or none at all, is one sentence', async () => {
  const folder = recordings([]);
  await expect(conformance(folder)).rejects.toThrow('has no recordings');
  await expect(conformance(join(folder, 'missing'))).rejects.toThrow('is no folder that can be read');
});

// What was recorded with five a minute, told anew: [before, requests left out, s since the case before, left]
test.each([
  ['request /nlp/ner', 0, 0, 2],
  ['request POST /nlp/ner', 0, 0, 2],
  ['request GET /none', 0, 0, 3],
  ['reload the same config', 0, 0, 3],
  ['reload with minute: 3', 0, 0, 1],
  ['reload with a broken config', 0, 0, 3],
  ['reload a broken config', 0, 0, 3],
  [null, 2, 0, 1],
  // In the minute before, that minute's.
  [null, 1, 30, 4],
])('before %j and %i left out, %i s later: %i left of five', async (before, omitted_counted, later, left) => {
  const first = golden('03-rate-limiting.jsonl', 'upstream_sends_own_ratelimit_headers');
  const t = Math.floor(first.t / 60) * 60 + 40;
  const begun = { ...first, t, omitted_counted: 0, before: null };
  const { printed } = await run([begun, { ...begun, t: t + later, omitted_counted, before }]);
  const remaining = printed.filter((line) => /^ {2}\+ RateLimit-Remaining/.test(line));
  expect(remaining).toEqual(
    ['  + RateLimit-Remaining: 4', `  + RateLimit-Remaining: ${left}`].filter((line) => !same(begun, line)),
  );
  expect(printed.at(-1)).toContain('of 2 cases match, 0 not supported');
});

function same({ response }: { response: { headers: [string, string][] } }, line: string): boolean {
  return response.headers.some(([name, value]) => line === `  + ${name}: ${value}`);
}

test('left-out requests carry one key where a case carries two, or they were not counted', async () => {
  const first = golden('03-rate-limiting.jsonl', 'upstream_sends_own_ratelimit_headers');
  const key = first.request.headers.find(([name]: [string]) => name === 'apikey');
  const twice = { ...no_key(), config: first.config, boot: first.boot, t: first.t, omitted_counted: 2 };
  const { printed } = await run([
    { ...twice, client_conn: 900, request: { ...first.request, headers: [...first.request.headers, key] } },
    { ...first, omitted_counted: 0 },
  ]);
  expect(printed).toContain('  + RateLimit-Remaining: 2');
});

test('the upstream of a replay sends chunks after a HEAD too, as the recorded one does', async () => {
  const upstream = await startUpstream();
  const wire = await Wire.open(upstream.port);
  wire.send('HEAD /_chunked HTTP/1.1\r\nHost: up\r\n\r\nGET /_close HTTP/1.1\r\nHost: up\r\n\r\n');
  expect((await wire.answer('GET')).framing).toBe('chunked');
  wire.close();
  await upstream.close();
});

test('a body of which the beginning was recorded is made whole, in chunks of the same size', () => {
  const headers: [string, string][] = [['Transfer-Encoding', 'chunked']];
  const chunks = `190\r\n${'x'.repeat(400)}\r\n`.repeat(3);
  const whole = `${chunks}0\r\n\r\n`;
  expect(body({ line: '', headers, body: whole.slice(0, 400), body_len: whole.length })).toBe(whole);
  expect(body({ line: '', headers: [], body: 'x'.repeat(400), body_len: 999 })).toBe('x'.repeat(999));
});

test('a difference keeps what is common out and the order of both sides', () => {
  expect(difference(['a', 'b', 'c'], ['a', 'c', 'd'])).toEqual(['- b', '+ d']);
  expect(difference(['a'], ['a'])).toEqual([]);
});
