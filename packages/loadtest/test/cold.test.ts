import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeCold } from '../src/load/cold.js';
import { createCertificate } from './certificate.js';

const certificate = await createCertificate();

/** Stands in for the emulator's Function URL. */
async function emulator(status: number, secure = true) {
  const asked: string[] = [];
  const handle: http.RequestListener = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push(`${request.method} ${request.url} ${body}`);
    if (status > 0) response.writeHead(status).end('{}');
  };
  const server = secure ? https.createServer(certificate, handle) : http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`${secure ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url, asked, [Symbol.asyncDispose]: close };
}

const ASKED = 'PUT /2015-03-31/functions/spacy-ner-service/configuration {}';

test.each([true, false])("restart asks the emulator for Lambda's own update (TLS: %s)", async (secure) => {
  await using server = await emulator(200, secure);
  await makeCold({ by: 'restart', emulator: server.url });
  expect(server.asked).toEqual([ASKED]);
});

test('a restart that is refused, or that nobody answers, is one sentence', async () => {
  await using server = await emulator(404);
  const { origin } = server.url;
  await expect(makeCold({ by: 'restart', emulator: server.url })).rejects.toThrow(
    `Cannot restart the environments at ${origin} (HTTP 404); --emulator is the functionUrl that \`burst-ner-emulator up\` prints.`,
  );
  await server[Symbol.asyncDispose]();
  await expect(makeCold({ by: 'restart', emulator: server.url })).rejects.toThrow(`at ${origin} (ECONNREFUSED)`);
});

test('Ctrl-C ends the wait for either', async () => {
  await using server = await emulator(0);
  for (const cold of [
    { by: 'restart', emulator: server.url },
    { by: 'config-bump', command: 'exec sleep 60' },
  ] as const) {
    const stop = new AbortController();
    const waiting = makeCold(cold, stop.signal);
    setTimeout(() => stop.abort(), 100);
    await waiting;
  }
});

test('Ctrl-C ends what the command started, too', async () => {
  const started = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'started');
  const stop = new AbortController();
  const waiting = makeCold(
    { by: 'config-bump', command: `(sleep 60 & echo $! > ${started}; wait); true` },
    stop.signal,
  );
  const read = () => Number(readFileSync(started, 'utf8'));
  await expect.poll(read).toBeGreaterThan(0);
  const pid = read();
  stop.abort();
  await waiting;
  // Gone, or ended and only not yet waited for by whoever inherited it.
  const state = () => spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  await expect.poll(() => state()).toMatch(/^(Z.*)?$/);
});

test('config-bump runs the command to its end, without the key, and drops what it prints', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'burst-ner-load-'));
  // A stand-in for the AWS command line.
  const aws = join(folder, 'aws');
  writeFileSync(aws, `#!/bin/sh\necho "$@ key:$NER_API_KEY" >> ${folder}/asked\necho '{"Environment": "secret"}'\n`, {
    mode: 0o755,
  });
  process.env['NER_API_KEY'] = 'secret-key';
  const command = `${aws} lambda update-function-configuration --description "$(date)" && ${aws} lambda wait`;
  await makeCold({ by: 'config-bump', command });
  delete process.env['NER_API_KEY'];
  const asked = readFileSync(join(folder, 'asked'), 'utf8');
  expect(asked).toMatch(/^lambda update-function-configuration --description .+ key:\nlambda wait key:\n$/);
});

test.each([
  ['exit 7', 'The --cold-command ended with exit code 7; nothing was sent after it.'],
  ['kill -9 $$', 'The --cold-command ended with SIGKILL; nothing was sent after it.'],
])('a command that fails (%s) is one sentence', async (command, sentence) => {
  await expect(makeCold({ by: 'config-bump', command })).rejects.toThrow(sentence);
});
