// A program that never closes its client ends when its work does: idle sockets and timers do not keep it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../scripts/step.mjs';

let server: Server;
beforeAll(async () => {
  // One request a minute: the second one waits. A socket stays open for as long as its client wants.
  const headers = { 'ratelimit-limit': 1, 'ratelimit-remaining': 0, 'ratelimit-reset': 60 };
  const body = { results: [{ entities: [] }], model: { name: 'm', version: '1', digest: '0' } };
  server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    request.resume().on('end', () => response.writeHead(200, headers).end(JSON.stringify(body)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Runs a program that is far from done after 30 s if anything keeps it. */
async function run(type: 'module' | 'commonjs', program: string) {
  const dist = path.join(root, 'packages/client/dist');
  const load =
    type === 'module'
      ? `import { NerClient } from '${pathToFileURL(path.join(dist, 'index.js'))}';`
      : `const { NerClient } = require(${JSON.stringify(path.join(dist, 'index.js'))});`;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/nlp/ner`;
  const client = `new NerClient({ url: '${url}', apiKey: 'k', onEvent: ({ type }) => type === 'wait' && stop.abort() })`;
  const code = `${load} const stop = new AbortController(); const ner = ${client}; (async () => { ${program} })();`;
  const child = spawn(process.execPath, [`--input-type=${type}`, '-e', code], { timeout: 120_000 });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (output.stdout += data));
  child.stderr.on('data', (data) => (output.stderr += data));
  const [status, signal] = await once(child, 'close');
  return { status, signal, ...output };
}

describe.each(['module', 'commonjs'] as const)('a program (%s)', (type) => {
  const done = { status: 0, signal: null, stdout: 'done\n', stderr: '' };

  test('that extracted once ends', async () => {
    expect(await run(type, `await ner.extract('Ada'); console.log('done');`)).toEqual(done);
  });

  test('that gave up waiting for the rate limit ends', async () => {
    const program = `
      await ner.extract('Ada');
      await ner.extract('Bob', { signal: stop.signal }).catch((error) => console.log(error.name === 'AbortError' ? 'done' : error));`;
    expect(await run(type, program)).toEqual(done);
  });
});
