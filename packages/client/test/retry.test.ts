import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { NerClient, type NerClientOptions, RequestError, TimeoutError } from '../src/index.js';
import { VirtualClock } from './clock.js';
import { type Gateway, KEY, kongError, type Reply, rateLimited, startGateway } from './gateway.js';

const reset: Reply = (response) => response.destroy();
const half: Reply = (response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"results":', () => response.destroy());
};
const throttled: Reply = {
  status: 429,
  headers: { via: '1.1 kong/3.9.3', 'ratelimit-remaining': '57' },
  body: { Reason: 'ConcurrentInvocationLimitExceeded', Message: 'Rate Exceeded.' },
};

/** Sends one text to a gateway that answers `replies` first; tells the waits, the attempts and how it ended. */
async function run(replies: Reply[], options: Partial<NerClientOptions> = {}, random = 0.5) {
  await using gateway = await startGateway((_, n) => replies[n - 1]);
  const clock = new VirtualClock(random);
  await using ner = new NerClient({ url: gateway.url, apiKey: KEY, clock, ...options });
  const result = await ner.extract('Ada').catch((error) => error);
  return { result, sleeps: clock.sleeps, attempts: gateway.received.length };
}

describe('retries', () => {
  it.each<[string, Reply]>([
    ['429 of the gateway', rateLimited(0)],
    ['429 of the function', throttled],
    ['502', kongError(502, 'An invalid response was received from the upstream server')],
    ['503', { status: 503, body: { error: 'The model cannot be loaded.', code: 'model_unavailable' } }],
    ['504 as an HTML page', { status: 504, headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
    ['a reset', reset],
    ['an answer that breaks off', half],
  ])('survive %s', async (_, reply) => {
    const { result, attempts } = await run([reply, reply]);
    expect(result).toHaveLength(1);
    expect(attempts).toBe(3);
  });

  it.each([400, 401, 403, 404, 413, 415, 500, 301])('do not follow a %i', async (status) => {
    const { result, attempts } = await run([{ status, body: { error: 'No.', code: 'no' } }]);
    expect(result).toMatchObject({ status, message: expect.stringContaining('No.') });
    expect(attempts).toBe(1);
  });

  it('wait longer each time, by chance, up to a cap', async () => {
    const replies = Array<Reply>(8).fill(reset);
    const full = await run(replies, { maxAttempts: 8 }, 1);
    expect(full.sleeps).toEqual([1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    const none = await run(replies, { maxAttempts: 8 }, 0);
    expect(none.sleeps).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('end with the last error after maxAttempts', async () => {
    const { result, attempts } = await run(
      Array<Reply>(9).fill({ status: 503, body: { error: 'Down.', code: 'model_unavailable' } }),
    );
    expect(result).toBeInstanceOf(RequestError);
    expect(result).toMatchObject({ status: 503, code: 'model_unavailable' });
    expect(attempts).toBe(6);
  });

  it('tell the two kinds of 429 apart', async () => {
    const once = { maxAttempts: 1 };
    expect((await run([rateLimited(42)], once)).result).toMatchObject({ code: 'rate_limited', retryAfterMs: 42_000 });
    expect((await run([throttled], once)).result).toMatchObject({ code: 'throttled', retryAfterMs: undefined });
  });
});

describe('Retry-After', () => {
  const busy = (headers: Record<string, string>) => kongError(503, 'busy', headers);

  it('in seconds is waited out, and a little more', async () => {
    expect((await run([rateLimited(42), rateLimited(60)])).sleeps).toEqual([42_500, 61_000]);
  });

  it('as a date counts from the answer’s own Date', async () => {
    const headers = { date: 'Mon, 23 Nov 2026 09:27:18 GMT', 'retry-after': 'Mon, 23 Nov 2026 09:28:00 GMT' };
    expect((await run([busy(headers)], {}, 0)).sleeps).toEqual([42_000]);
  });

  it('in the past or not understood leaves the usual wait', async () => {
    const past = { date: 'Mon, 23 Nov 2026 09:27:18 GMT', 'retry-after': 'Mon, 23 Nov 2026 09:27:00 GMT' };
    expect((await run([busy(past), busy({ 'retry-after': 'soon' })])).sleeps).toEqual([500, 1000]);
  });

  it('beyond the deadline is not waited for: the error says how long it would be', async () => {
    const { result, sleeps } = await run([rateLimited(3600)]);
    expect(result.message).toContain('asks to wait 3600 s');
    expect(sleeps).toEqual([]);
  });
});

describe('time', () => {
  const silent = async (): Promise<Gateway> => startGateway((_, n) => (n === 1 ? () => {} : undefined));

  it('an attempt that takes too long is given up and tried again', async () => {
    await using gateway = await silent();
    const clock = new VirtualClock();
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY, clock, attemptTimeoutMs: 100 });
    expect(await ner.extract('Ada')).toHaveLength(1);
    expect(gateway.received).toHaveLength(2);
  });

  it('an answer that trickles is given up too', async () => {
    await using gateway = await startGateway(() => (response) => response.writeHead(200).write('{'));
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY, attemptTimeoutMs: 100, maxAttempts: 1 });
    const error = await ner.extract('Ada').catch((e) => e);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('within 100 ms');
  });

  it('the deadline ends all attempts', async () => {
    const { attempts } = await run(Array<Reply>(99).fill(reset), { maxAttempts: 99, deadlineMs: 10_000 }, 1);
    expect(attempts).toBe(4); // waits of 1, 2 and 4 s; the next would be 8
  });

  it('an abort ends the wait for Retry-After at once, on the system’s clock, and frees its slot', async () => {
    await using gateway = await startGateway((_, n) => (n === 1 ? rateLimited(60) : undefined));
    const controller = new AbortController();
    const onResponse = () => setTimeout(() => controller.abort(new Error('enough')), 20);
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY, onResponse, concurrency: 1 });
    const started = performance.now();
    await expect(ner.extract('Ada', { signal: controller.signal })).rejects.toThrow('enough');
    expect(gateway.received).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await ner.extract('Bob')).toHaveLength(1);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
