import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyAgent } from 'undici';
import { describe, expect, it } from 'vitest';
import { NerClient, type NerClientOptions, type NerError } from '../src/index.js';
import { VirtualClock } from './clock.js';
import { KEY, type Reply, served, startGateway } from './gateway.js';

const clientOf = (url: string, options: Partial<NerClientOptions> = {}) =>
  new NerClient({ url, apiKey: KEY, clock: new VirtualClock(), ...options });

async function listening(server: Server) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A good answer with some headers, written by hand. @param before bytes that come first, each in a packet of its own */
const answered =
  (texts: string[], headers: Record<string, string>, before: string[] = []): Reply =>
  async (response) => {
    for (const bytes of before) {
      response.socket?.write(bytes);
      await sleep(5);
    }
    const { body } = served(texts) as { body: unknown };
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };

describe('an answer is taken', () => {
  it.each<[string, Record<string, string>, string[]]>([
    ['with 40 KB of headers', { 'content-security-policy': 'x'.repeat(40_000) }, []],
    ['in plain JSON, whatever encoding its header has', { 'content-encoding': 'UTF-8' }, []],
    ['after a 100 that nobody asked for', {}, ['HTTP/1.1 100 Continue\r\n\r\n']],
    [
      'after a 100 and an early hint at once',
      {},
      ['HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 C\r\n\r\n'],
    ],
    ['after a 100 in two packets', {}, ['HTTP/1.1 100 Con', 'tinue\r\nx: y', '\r\n\r\n']],
    ['with a byte order mark, as text', { 'content-type': 'text/plain' }, []],
  ])('%s', async (_, headers, before) => {
    await using gateway = await startGateway(({ texts }) => answered(texts, headers, before));
    await using ner = clientOf(gateway.url, { outageMs: 1 });
    for (const name of ['Ada', 'Bob']) expect(await ner.extract(name)).toHaveLength(1);
  });
});

it('what is not HTTP is told at once', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.6\r\n'));
  await using ner = clientOf(`http://${await listening(server)}/nlp/ner`);
  const error: NerError = await ner.extract('Ada').catch((e) => e);
  server.close();
  expect(error).toMatchObject({ code: 'protocol', message: expect.stringContaining('answered what is not HTTP') });
});

it.each([
  [407, 'the proxy wants a password'],
  [403, 'the proxy answered 403 instead of a way to https://kong.example.com'],
])('a proxy that answers %i to CONNECT is told at once', async (status, part) => {
  let asked = 0;
  const server = createServer().on('connect', (_, socket) => {
    asked++;
    socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
  });
  const dispatcher = new ProxyAgent(`http://${await listening(server)}`);
  await using ner = clientOf('https://kong.example.com/nlp/ner', { dispatcher });
  const error: NerError = await ner.extract('Ada').catch((e) => e);
  await dispatcher.close();
  server.close();
  expect(error).toMatchObject({ status, message: expect.stringContaining(part) });
  expect(asked).toBeLessThanOrEqual(2);
});

it.each([2, 5])('a text that takes down the process that serves all %i fails alone', async (concurrency) => {
  const bad = new Set([3, 40, 77].map((i) => `Poison ${i}`));
  const texts = Array.from({ length: 100 }, (_, i) => `${bad.has(`Poison ${i}`) ? 'Poison' : 'Ada'} ${i}`);
  const open = new Set<() => void>();
  await using gateway = await startGateway(({ texts: sent }) => (response) => {
    const reset = () => response.destroy();
    open.add(reset);
    response.on('close', () => open.delete(reset));
    // It dies with all that it is at, a moment after they came.
    setTimeout(() => {
      if (sent.some((it) => bad.has(it))) for (const end of [...open]) end();
      else if (open.has(reset)) void (answered(sent, {}) as (r: typeof response) => void)(response);
    }, 10);
  });
  const limits = { max_body_bytes: 1e6, max_texts: 4, max_characters: 250_000, max_text_characters: 40_000 };
  gateway.model = { model: { name: 'm', version: '1', digest: 'd' }, labels: [], limits };
  await using ner = clientOf(gateway.url, { concurrency });
  const failed: string[] = [];
  for await (const { ok, document } of ner.extractAll(texts)) if (!ok) failed.push(document);
  expect(failed).toEqual([...bad]);
});

it('a limit that a proxy with a Via of its own tells of is the gateway’s', async () => {
  const headers = { via: '1.1 x.cloudfront.net', 'ratelimit-remaining': '0', 'retry-after': '9' };
  await using gateway = await startGateway((_, n) =>
    n === 2 ? { status: 429, headers, body: { message: 'API rate limit exceeded' } } : undefined,
  );
  const waits: string[] = [];
  await using ner = clientOf(gateway.url, { onEvent: ({ type }) => type !== 'answer' && waits.push(type) });
  for (const name of ['Ada', 'Bob']) expect(await ner.extract(name)).toHaveLength(1);
  expect(waits).toEqual(['wait']);
});
