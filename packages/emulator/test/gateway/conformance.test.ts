import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { conformance, report } from '../../src/gateway/conformance/conformance.js';
import { body } from '../../src/gateway/conformance/replay.js';
import { difference } from '../../src/gateway/conformance/view.js';

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
  expect(printed.filter((line) => !line.includes('is not supported'))).toEqual([
    '198 of 198 cases match, 64 not supported',
  ]);
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

// [what, the record, part of the reason]
test.each([
  ['a config with another plugin', { ...no_key(), config: 'other' }, 'other.yaml:3: '],
  ['a setting outside the config', { ...no_key(), kong_env: { KONG_HEADERS: 'off' } }, 'KONG_HEADERS is a setting'],
  ['what is no request', { case: 'burst', sent: 6, ok: 6 }, 'no single HTTP/1 request'],
  ['another way to begin', { ...no_key(), before: 'wait an hour' }, 'wait an hour'],
  ['a method that Node lacks', { ...no_key(), request: { ...no_key().request, line: 'BREW / HTTP/1.1' } }, 'BREW'],
  ['HTTP/2', { ...no_key(), request: { ...no_key().request, line: 'POST / HTTP/2' } }, 'HTTP/2'],
])('lists %s as not supported, with the reason', async (_, record, reason) => {
  const folder = recordings([record]);
  writeFileSync(join(folder, 'configs/other.yaml'), '_format_version: "3.0"\nservices: []\nplugins: [{name: cors}]\n');
  const printed: string[] = [];
  expect(report(await conformance(folder), (line) => printed.push(line))).toBe(0);
  expect(printed[0]).toContain('is not supported');
  expect(printed[0]).toContain(reason);
  expect(printed.at(-1)).toBe('0 of 0 cases match, 1 not supported');
});

test.each([
  ['a line that is not JSON', ['{'], 'a.jsonl:1 is not JSON'],
  ['a line without a case', [{}], 'a.jsonl:1 is no recorded case'],
  ['a request without its line', [{ ...no_key(), request: {} }], 'no_key) is no recorded request: request.line'],
  ['a config that is not there', [{ ...no_key(), config: 'none' }], 'none.yaml cannot be read'],
  ['nothing', [], 'has no recordings'],
])('says in one sentence what is wrong with %s', async (_, lines, message) => {
  const folder = recordings(lines);
  await expect(conformance(folder)).rejects.toThrow(message);
  await expect(conformance(join(folder, 'missing'))).rejects.toThrow('is no folder that can be read');
  mkdirSync(join(folder, 'empty'));
  await expect(conformance(join(folder, 'empty'))).rejects.toThrow('has no recordings');
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
