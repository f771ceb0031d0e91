import { expect, test } from 'vitest';
import { probe } from '../src/load/probe.js';
import { listenRaw } from './server.js';

test.each([401, 404])('a %i on a connection that stays open is heard', async (status) => {
  await using server = await listenRaw((socket) => {
    socket.write(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\n{}`);
  });
  await expect(probe({ url: server.url, apiKey: 'k' })).rejects.toThrow(`answered ${status}: `);
});

test('a gateway that waits for the body tells nothing', async () => {
  await using server = await listenRaw(() => {});
  await expect(probe({ url: server.url, apiKey: 'k' })).resolves.toBeUndefined();
});
