import { inspect } from 'node:util';
import { expect, test, vi } from 'vitest';
import { type BurstOptions, runBurst } from '../src/burst.js';
import { summarise } from '../src/summary.js';
import { createCertificate } from './certificate.js';
import { answerKong429, answerLambda429, answerNer, listen } from './server.js';

const certificate = await createCertificate();

const burst = (options: Pick<BurstOptions, 'url'> & Partial<BurstOptions>) =>
  runBurst({ apiKey: 'secret-key', text: 'Zoë lives in Łódź.', ...options });

test('cold and warm answers are told by their headers, and each sample is kept whole', async () => {
  await using server = await listen((response, nth) => answerNer(response, nth < 7));
  const { samples, spreadMs } = await burst({ url: server.url });

  const summary = summarise(samples, 'sent');
  expect(summary.sent).toBe(20);
  expect(summary.latency.cold?.n).toBe(7);
  expect(summary.latency.warm?.n).toBe(13);
  expect(summary.latency.unknown).toBeNull();
  expect(summary.init?.max).toBe(812.5);
  expect(summary.initTypes).toEqual({ 'on-demand': 20 });
  expect(samples[0]).toMatchObject({
    ...{ index: 0, outcome: 'ok', status: 200, initType: 'on-demand', instance: 'i-1', requestId: 'r-1', error: null },
    ...{ burst: 0, lambdaRequestId: 'l-1', limit: 100, remaining: 80, resetS: 42, durationMs: null },
    ...{ initMs: 812.5, loadMs: 350, nerMs: 4.25, kongMs: 1, upstreamMs: 7 },
  });
  for (const { intendedMs, sentMs, firstByteMs, lastByteMs } of samples) {
    const times = [intendedMs, sentMs, firstByteMs ?? -1, lastByteMs ?? -1];
    expect(times).toEqual([...times].sort((a, b) => a - b));
  }
  expect(spreadMs).toBe((samples[19]?.sentMs ?? 0) - (samples[0]?.sentMs ?? 0));

  expect(server.seen.map(({ headers }) => headers['apikey'])).toEqual(Array(20).fill('secret-key'));
  expect(JSON.parse(server.seen[0]?.body ?? '')).toEqual({ text: 'Zoë lives in Łódź.' });
  expect(inspect({ samples, summary }, { depth: 9 })).not.toContain('secret-key');
});

test('every connection is open before the first request, and every request is out before the first answer', async () => {
  const waiting: (() => void)[] = [];
  await using server = await listen((response) => {
    // Answers nobody until all have asked: a burst that sends one after the other would time out.
    if (waiting.push(() => answerNer(response, false)) === 30) for (const go of waiting) go();
  });
  const { samples } = await burst({ url: server.url, n: 30 });
  expect(summarise(samples, 'sent').outcomes.ok).toBe(30);
  expect(server.seen[0]?.connections).toBe(30);
});

test('every request has one outcome, and only the successful ones have a latency', async () => {
  await using server = await listen((response, nth) => {
    if (nth < 3) answerNer(response, true);
    else if (nth < 5) answerNer(response, false);
    else if (nth < 9) answerKong429(response);
    else if (nth < 12) answerLambda429(response);
    else if (nth < 13) response.writeHead(404).end();
    else if (nth < 14) response.writeHead(301, { location: '/' }).end();
    else if (nth < 16) response.writeHead(503).end();
    else if (nth < 17) response.socket?.destroy();
    else if (nth < 18) response.socket?.end('SSH-2.0-OpenSSH\r\n');
    else if (nth < 19) response.writeHead(200, { 'content-length': 99 }).write('{', () => response.socket?.end());
  });
  const { samples } = await burst({ url: server.url, timeoutMs: 1000 });
  const summary = summarise(samples, 'sent');
  expect(summary.outcomes).toEqual({
    ...{ ok: 5, 'kong-429': 4, 'lambda-429': 3, '4xx': 2, '5xx': 2, 'connection-error': 3, timeout: 1, cut: 0 },
  });
  expect(summary.sent).toBe(20);
  expect(summary.latency.cold?.n).toBe(3);
  expect(summary.latency.warm?.n).toBe(2);
  expect(summary.latency.unknown).toMatchObject({ n: 0, censored: 1 });
  expect(samples.filter(({ error }) => error).map(({ error }) => error)).toEqual(
    expect.arrayContaining(['no answer', 'incomplete answer']),
  );
});

test('an answer that does not say is unknown, however long it took', async () => {
  await using server = await listen((response, nth) => {
    if (nth > 0) response.end('{}');
    else setTimeout(() => response.end('{}'), 500);
  });
  const { latency } = summarise((await burst({ url: server.url, n: 5 })).samples, 'sent');
  expect([latency.cold, latency.warm, latency.unknown?.n]).toEqual([null, null, 5]);
});

test('an answer in chunks, after an interim one, ends with its last byte', async () => {
  await using server = await listen((response) => {
    response.writeProcessing();
    response.writeHead(200, { 'x-ner-cold-start': '0' }).write('{"entities":');
    setTimeout(() => response.end('[]}'), 50);
  });
  const [sample] = (await burst({ url: server.url, n: 1 })).samples;
  expect(sample).toMatchObject({ outcome: 'ok', status: 200, start: 'warm' });
  expect(sample?.lastByteMs).toBeGreaterThan(sample?.firstByteMs ?? Number.POSITIVE_INFINITY);
});

test('a burst waits for its instant with its connections open, and leaves no earlier', async () => {
  await using server = await listen((response) => answerNer(response, false));
  const releaseAt = performance.now() + 400;
  const firing = burst({ url: server.url, n: 3, burst: 4, releaseAt });
  await vi.waitFor(() => expect(server.open()).toBe(3));
  expect(performance.now()).toBeLessThan(releaseAt);
  const { samples, releasedAt } = await firing;
  expect(samples.map(({ burst, index }) => [burst, index])).toEqual([
    [4, 0],
    [4, 1],
    [4, 2],
  ]);
  // Date and performance.now() are two clocks that both tick in parts of a ms.
  expect(releasedAt - performance.timeOrigin - releaseAt).toBeGreaterThan(-2);
});

test('an aborted burst keeps what was answered; the rest is cut', async () => {
  const abort = new AbortController();
  await using server = await listen((response, nth) => {
    if (nth < 3) answerNer(response, false);
    if (nth === 9) setTimeout(() => abort.abort(), 100);
  });
  const { samples } = await burst({ url: server.url, n: 10, signal: abort.signal });
  expect(summarise(samples, 'sent').outcomes).toMatchObject({ ok: 3, cut: 7 });
});

test('a target that is not there is one sentence', async () => {
  const server = await listen(() => {});
  await server.close();
  await expect(burst({ url: server.url })).rejects.toThrow(
    `Cannot connect to ${server.url.host}: nothing listens there (ECONNREFUSED).`,
  );
});

test('a certificate that does not verify gets no request', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  await expect(burst({ url: server.url })).rejects.toThrow(
    `The certificate of ${server.url.host} does not verify (DEPTH_ZERO_SELF_SIGNED_CERT); to trust a private authority, set NODE_EXTRA_CA_CERTS to its PEM file.`,
  );
  expect(server.seen).toEqual([]);

  const trusted = await burst({ url: server.url, ca: certificate.cert });
  expect(summarise(trusted.samples, 'sent').latency.warm?.n).toBe(20);
  expect(server.seen[0]?.connections).toBe(20);
});
