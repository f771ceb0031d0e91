// Callers that mean ill, or are only slow: the others are served all the same.
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { Wire } from '../../conformance/wire.js';
import { cleanups, config, gateway, post, upstream } from './start.js';

const KEY = 'apikey: k-batch';
const HEAD = `POST /nlp/ner HTTP/1.1\r\nHost: gw\r\n${KEY}\r\n`;

async function crowd(port: number, count: number, first: string): Promise<Wire[]> {
  const wires: Wire[] = [];
  for (let i = 0; i < count; i += 100) {
    wires.push(...(await Promise.all(Array.from({ length: Math.min(100, count - i) }, () => Wire.open(port)))));
  }
  for (const wire of wires) if (first) wire.send(first);
  cleanups.push(() => {
    for (const wire of wires) wire.close();
  });
  return wires;
}

test.each([
  ['nothing', ''],
  ['half a head', 'POST /nlp/ner HTTP/1.1\r\nX-Slow'],
  ['half a body', `${HEAD}Content-Length: 10\r\n\r\nabc`],
])('serves the others while a thousand connections sent %s', async (_, first) => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url));
  const wires = await crowd(port, 1000, first);
  for (let i = 0; i < 5; i++) expect((await post(port, [KEY])).status).toBe(200);
  expect(take()).toHaveLength(5);
  expect(wires.filter(({ ended }) => ended)).toEqual([]);
});

test('a head that comes byte by byte is a request once it is whole', async () => {
  const { url } = await upstream();
  const { port } = await gateway(config(url));
  const wire = await Wire.open(port);
  for (const byte of `${HEAD}Content-Length: 0\r\n\r\n`) {
    wire.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await wire.answer()).status).toBe(200);
  wire.close();
});

/** A connection to a gateway whose timers go by the test's hand. */
async function withFakeTimers(): Promise<Wire> {
  const { url } = await upstream();
  const { port } = await gateway(config(url));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  cleanups.push(() => vi.useRealTimers());
  return Wire.open(port);
}

test('a connection that is gone is not held any longer', async () => {
  const wire = await withFakeTimers();
  wire.send(`${HEAD}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  expect((await wire.answer()).status).toBe(200);
  await wire.end();
  wire.close();
  for (let turn = 0; turn < 100 && vi.getTimerCount() > 0; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(vi.getTimerCount()).toBe(0);
});

const LIMITED = '- name: request-size-limiting\n  config: {allowed_payload_size: 1, size_unit: kilobytes}';

test('answers a body that is declared too long without its end', async () => {
  const { url, take } = await upstream();
  const { port } = await gateway(config(url, { plugins: LIMITED }));
  const [wire] = await crowd(port, 1, `${HEAD}Content-Length: 1000000000000\r\n\r\n`);
  expect((await wire?.answer())?.status).toBe(413);
  expect(take()).toEqual([]);
  expect((await post(port, [KEY])).status).toBe(200);
});

test('a caller that was refused and does not send its body is let go', async () => {
  const wire = await withFakeTimers();
  wire.send('POST /nlp/ner HTTP/1.1\r\nHost: gw\r\nContent-Length: 10\r\n\r\nabc');
  expect((await wire.answer()).status).toBe(401);
  for (let turn = 0; turn < 10 && !wire.ended; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(1000);
  }
  await wire.end();
});

test('a caller that does not read does not hold the upstream back, and gets all of it later', async () => {
  const whole = 64 * 1024 * 1024;
  let sent = false;
  const big = createServer((request, response) => {
    request.resume();
    response.setHeader('Content-Length', whole).end(Buffer.alloc(whole, 'x'), () => {
      sent = true;
    });
  });
  await new Promise<void>((resolve) => big.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => big.close(resolve).closeAllConnections()));
  const url = `http://127.0.0.1:${(big.address() as AddressInfo).port}`;
  const { port } = await gateway(config(url));
  const [wire] = await crowd(port, 1, '');
  const { socket } = wire as { socket: Socket };
  socket.pause();
  wire?.send(`${HEAD}Content-Length: 0\r\n\r\n`);
  await expect.poll(() => sent).toBe(true);
  let read = 0;
  socket.removeAllListeners('data').on('data', (text: string) => {
    read += text.length;
  });
  socket.resume();
  await expect.poll(() => read).toBeGreaterThan(whole);
});
