import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { expect, test, vi } from 'vitest';
import { type BurstOptions, runBurst } from '../src/load/burst.js';
import { Requests } from '../src/load/requests.js';
import { summarise } from '../src/statistics/summary.js';
import { createCertificate } from './certificate.js';
import { answerKong429, answerLambda429, answerNer, listen, listenRaw } from './server.js';

const certificate = await createCertificate();

const burst = (options: Pick<BurstOptions, 'url'> & Partial<BurstOptions>) =>
  runBurst({ apiKey: 'secret-key', requests: Requests.of('Zoë lives in Łódź.'), ...options });

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
  await expect.poll(() => server.open()).toBe(3);
  expect(performance.now()).toBeLessThan(releaseAt);
  const { samples, firedAt } = await firing;
  expect(samples.map(({ burst, index }) => [burst, index])).toEqual([
    [4, 0],
    [4, 1],
    [4, 2],
  ]);
  expect(firedAt).toBeGreaterThanOrEqual(releaseAt);
});

test('the first burst of a process leaves in time, too', async () => {
  const answer = "'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}'";
  const script = `
    import net from 'node:net';
    import { Requests, runBurst } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))};
    const server = net.createServer((socket) => socket.once('data', () => socket.end(${answer}))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = new URL('http://127.0.0.1:' + server.address().port + '/nlp/ner');
    const { createServer } = net;
    let compiling = 0;
    net.createServer = (...args) => {
      const began = performance.now();
      return createServer(...args).once('close', () => (compiling = performance.now() - began));
    };
    const releaseAt = performance.now() + 1500;
    const { firedAt } = await runBurst({ url, apiKey: 'k', requests: Requests.of('x'), n: 5, releaseAt });
    console.log(JSON.stringify([firedAt - releaseAt, compiling]));
    server.close();`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const [late, compiling] = JSON.parse(out) as [number, number];
  expect(late).toBeGreaterThanOrEqual(0);
  expect(late, 'what is compiled is so before').toBeLessThan(compiling);
});

test('every answer is parsed once, when the burst is over', async () => {
  const seen: number[] = [];
  const request = vi.spyOn(http, 'request');
  await using server = await listen((response, nth) => {
    setTimeout(() => {
      seen.push(request.mock.calls.length);
      answerNer(response, false);
    }, 150 * nth);
  });
  const { samples } = await burst({ url: server.url, n: 3 });
  expect(samples.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
  expect(seen).toEqual([0, 0, 0]);
  expect(request).toHaveBeenCalledTimes(3);
  request.mockRestore();
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

test('an answer is whole by what it says of its length, though its connection stays open', async () => {
  const OK = 'HTTP/1.1 200 OK\r\nx-ner-cold-start: 0\r\n';
  await using server = await listenRaw((socket, nth) => {
    if (nth === 0) socket.write(`${OK}content-length: 2\r\n\r\n{}`);
    else if (nth === 1) socket.write('HTTP/1.1 429 No\r\nx-kong-response-latency: 1\r\ncontent-length: 2\r\n\r\n{}');
    else if (nth === 2) {
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`);
      setTimeout(() => socket.write('1\r\n}\r\n0\r\n\r\n'), 400);
    } else if (nth === 3) socket.write(`${OK}content-length: 3\r\n\r\n{}`);
    else socket.write(`${OK}\r\n{}`);
  });
  const began = performance.now();
  const outcomes = async (n: number, timeoutMs: number) =>
    summarise((await burst({ url: server.url, n, timeoutMs })).samples, 'sent').outcomes;
  expect(await outcomes(3, 50_000)).toMatchObject({ ok: 2, 'kong-429': 1, timeout: 0 });
  expect(performance.now() - began, 'it does not wait for the time-out').toBeLessThan(40_000);
  expect(await outcomes(2, 500), 'one too short, one of unknown length').toMatchObject({ ok: 0, timeout: 2 });
});

test('a body of unknown length is whole at an orderly end alone', async () => {
  await using server = await listenRaw((socket, nth) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n{"entities":', () => {
      if (nth === 0) socket.end('[]}');
      else setTimeout(() => socket.resetAndDestroy(), 50);
    });
  });
  const { samples } = await burst({ url: server.url, n: 2 });
  expect(samples.map(({ outcome, error }) => [outcome, error]).sort()).toEqual([
    ['connection-error', 'ECONNRESET'],
    ['ok', null],
  ]);
});

test('an answer that ended in order stays whole when the others are given up', async () => {
  await using server = await listenRaw((socket, nth) => {
    if (nth === 0) socket.end('HTTP/1.1 200 OK\r\n\r\n{}');
  });
  const { samples } = await burst({ url: server.url, n: 2, timeoutMs: 500 });
  expect(samples.map(({ outcome }) => outcome).sort()).toEqual(['ok', 'timeout']);
});

test('what comes before the request is no answer, and a status that is none is no answer either', async () => {
  // As SSH and mail servers greet; or answers in advance.
  const greeter = net.createServer((socket) => {
    socket.on('error', () => {}).write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
  });
  await once(greeter.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`http://127.0.0.1:${(greeter.address() as AddressInfo).port}/nlp/ner`);
  const early = (await burst({ url, n: 2 })).samples;
  greeter.close();
  for (const sample of early) {
    expect(sample).toMatchObject({
      outcome: 'connection-error',
      error: 'answer before the request',
      firstByteMs: null,
    });
  }
  await using server = await listenRaw((socket) => socket.end('HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\n{}'));
  const [odd] = (await burst({ url: server.url, n: 1 })).samples;
  expect(odd).toMatchObject({ outcome: 'connection-error', error: 'incomplete answer', status: null });
});

test('an answer without an end is given up', async () => {
  await using server = await listenRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const block = Buffer.alloc(2 ** 20);
    // A failed write must end it: what its callback writes, Node keeps, and calls back at once, without an end.
    const more = (error?: Error | null) => void (error || socket.write(block, more));
    more();
  });
  const { samples } = await burst({ url: server.url, n: 2 });
  for (const sample of samples) {
    expect(sample).toMatchObject({ outcome: 'connection-error', error: 'answer too large', status: null });
  }
});

/** Lets each connection in, by its number, to a server or to nobody. */
async function listenDoor(enter: (socket: net.Socket, nth: number) => URL | undefined) {
  const sockets = new Set<net.Socket>();
  let nth = 0;
  const door = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    const to = enter(socket, nth++);
    if (!to) return;
    const inside = net.connect(Number(to.port), '127.0.0.1').on('error', () => {});
    sockets.add(inside);
    socket.pipe(inside).pipe(socket);
  });
  await once(door.listen(0, '127.0.0.1'), 'listening');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    door.close();
  };
  const url = new URL(`https://127.0.0.1:${(door.address() as AddressInfo).port}/nlp/ner`);
  return { url, [Symbol.asyncDispose]: close };
}

test('a connection that cannot be made is a connection-error, and the others are measured', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  // Of four handshakes the first is reset, the second ended, the third never answered.
  await using door = await listenDoor((socket, nth) => {
    if (nth === 0) socket.resetAndDestroy();
    else if (nth === 1) socket.end();
    return nth < 3 ? undefined : server.url;
  });
  const { samples, spreadMs } = await burst({ url: door.url, ca: certificate.cert, n: 4, timeoutMs: 3000 });
  expect(summarise(samples, 'sent').outcomes).toMatchObject({ ok: 1, 'connection-error': 3, timeout: 0 });
  expect(samples.map(({ error }) => String(error)).sort()).toEqual(['ECONNRESET', 'ECONNRESET', 'ETIMEDOUT', 'null']);
  expect(spreadMs).toBe(0);
  expect(server.seen).toHaveLength(1);
});

test('one certificate that does not verify among good ones: nothing is sent', async () => {
  await using server = await listen((response) => answerNer(response, false), certificate);
  await using stranger = await listen((response) => answerNer(response, false), await createCertificate());
  await using door = await listenDoor((_socket, nth) => (nth === 1 ? stranger : server).url);
  await expect(burst({ url: door.url, ca: certificate.cert, n: 3 })).rejects.toThrow('does not verify');
  expect([...server.seen, ...stranger.seen]).toEqual([]);
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

  const old = await createCertificate(new Date('2020-01-01'));
  await using expired = await listen((response) => answerNer(response, false), old);
  await expect(burst({ url: expired.url, ca: old.cert })).rejects.toThrow(
    `The certificate of ${expired.url.host} has expired; it must be renewed there.`,
  );
  const soon = await createCertificate(new Date('2190-01-02'));
  await using early = await listen((response) => answerNer(response, false), soon);
  await expect(burst({ url: early.url, ca: soon.cert })).rejects.toThrow(
    `The certificate of ${early.url.host} is not valid yet; one of the two clocks is wrong, or it came too early.`,
  );
  const named = await createCertificate(undefined, [{ type: 2, value: 'ner.example' }]);
  await using other = await listen((response) => answerNer(response, false), named);
  await expect(burst({ url: other.url, ca: named.cert })).rejects.toThrow(
    `The certificate of ${other.url.host} is for another host; use a name that it has.`,
  );

  const trusted = await burst({ url: server.url, ca: certificate.cert });
  expect(summarise(trusted.samples, 'sent').latency.warm?.n).toBe(20);
  expect(server.seen[0]?.connections).toBe(20);
});
