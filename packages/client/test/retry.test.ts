import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Kong } from '../../../bench/client/kong.mjs';
import { RateBudget } from '../src/budget.js';
import { systemClock } from '../src/clock.js';
import { NerClient, type NerClientOptions, RequestError, TimeoutError } from '../src/index.js';
import { defaultPolicy, type RetryPolicy, retry } from '../src/retry.js';
import { seeded, VirtualClock } from './clock.js';
import { KEY, kongError, type Reply, rateLimited, startGateway } from './gateway.js';

const reset: Reply = (response) => response.destroy();
const half: Reply = (response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"results":', () => response.destroy());
};
const throttled: Reply = {
  status: 429,
  headers: { via: '1.1 kong/3.9.3', 'x-kong-upstream-latency': '9', 'ratelimit-remaining': '57' },
  body: { Reason: 'ConcurrentInvocationLimitExceeded', Message: 'Rate Exceeded.' },
};

/** Sends one text to a gateway that answers `replies` first; tells the waits, the requests and how it ended. */
async function run(replies: Reply[], options: Partial<NerClientOptions> = {}, random = 0.5) {
  await using gateway = await startGateway((_, n) => replies[n - 1]);
  const clock = new VirtualClock(random);
  const attempts: number[] = [];
  const onResponse = ({ attempt }: { attempt: number }) => attempts.push(attempt);
  await using ner = new NerClient({ url: gateway.url, apiKey: KEY, clock, onResponse, ...options });
  const result = await ner.extract('Ada').catch((error) => error);
  return { result, sleeps: clock.sleeps, requests: gateway.received.length, attempts, clock };
}

describe('retries', () => {
  it.each<[string, Reply]>([
    ['429 of the gateway', rateLimited(1)],
    ['429 of the function', throttled],
    ['502', kongError(502, 'An invalid response was received from the upstream server')],
    ['503', { status: 503, body: { error: 'The model cannot be loaded.', code: 'model_unavailable' } }],
    ['504 as an HTML page', { status: 504, headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
    ['a reset', reset],
    ['an answer that breaks off', half],
  ])('survive %s', async (_, reply) => {
    const { result, requests } = await run([reply, reply]);
    expect(result).toHaveLength(1);
    expect(requests).toBe(3);
  });

  it.each([400, 401, 403, 404, 413, 415, 500, 301])('do not follow a %i', async (status) => {
    const { result, requests } = await run([{ status, body: { error: 'No.', code: 'no' } }]);
    expect(result).toMatchObject({ status, message: expect.stringContaining('No.') });
    expect(requests).toBe(1);
  });

  it('wait longer each time, half of it by chance, up to a cap', async () => {
    const replies = Array<Reply>(8).fill(reset);
    const full = await run(replies, { maxAttempts: 8 }, 1);
    expect(full.sleeps).toEqual([1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    const none = await run(replies, { maxAttempts: 8 }, 0);
    expect(none.sleeps).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it('end with the last error after maxAttempts', async () => {
    const { result, requests } = await run(
      Array<Reply>(9).fill({ status: 503, body: { error: 'Down.', code: 'model_unavailable' } }),
    );
    expect(result).toBeInstanceOf(RequestError);
    expect(result).toMatchObject({ status: 503, code: 'model_unavailable' });
    expect(requests).toBe(6);
  });

  it.each([
    ['the gateway’s limit', rateLimited(42)],
    ['Lambda’s', throttled],
  ])('no attempt is lost to %s', async (_, refusal) => {
    const { result, requests, attempts, clock } = await run([...Array<Reply>(9).fill(refusal), kongError(503, 'busy')]);
    expect(result).toHaveLength(1);
    expect(requests).toBe(11);
    expect(attempts).toEqual([...Array(10).fill(1), 2]);
    expect(clock.now()).toBeGreaterThan(30_000);
  });

  it('of a throttled function end at the deadline, those of a full budget do not', async () => {
    const { result, clock } = await run(Array<Reply>(99).fill(throttled), { deadlineMs: 60_000 });
    expect(result).toMatchObject({ status: 429, code: 'throttled' });
    expect(clock.now()).toBeLessThan(60_000);
    const patient = await run([rateLimited(3600), rateLimited(3600)], { deadlineMs: 1000 });
    expect(patient.result).toHaveLength(1);
    expect(patient.clock.now()).toBeGreaterThan(7_200_000);
  });
});

describe('12 s of outage', () => {
  // Each answer comes at once: the hardest case, as no attempt lasts.
  it.each<['reset' | number, number]>(
    [503, 'reset' as const].flatMap((kind) =>
      [0, 0.5, 0.999].map((chance) => [kind, chance] as ['reset' | number, number]),
    ),
  )('%s, chance %f: all slots survive, each with at most 6 requests', async (kind, chance) => {
    const clock = new VirtualClock(chance);
    const kong = new Kong(clock, { way: () => 0, outage: (now) => (now < 12_000 ? kind : undefined) });
    const budget = new RateBudget(clock, { share: 1, onWait: () => {} });
    const slot = async () => {
      let sent = 0;
      await retry(
        async (_, __, untimed) => {
          const ticket = await untimed(budget.acquire(undefined));
          sent++;
          const reply = await kong.request().catch((error) => {
            ticket.unanswered();
            throw new TimeoutError(error.message);
          });
          ticket.answered(reply);
          if (reply.status === 200) return;
          const info = { status: reply.status, requestId: undefined, retryAfterMs: undefined };
          throw new RequestError('http_503', 'down', info);
        },
        defaultPolicy,
        clock,
        undefined,
      );
      return sent;
    };
    const sent = await Promise.all(Array.from({ length: 5 }, slot));
    expect(Math.max(...sent)).toBeLessThanOrEqual(6);
    expect(clock.now()).toBeLessThan(40_000);
  });
});

describe('Retry-After', () => {
  const busy = (headers: Record<string, string>) => kongError(503, 'busy', headers);

  it('in seconds is waited out, and a little more', async () => {
    expect((await run([busy({ 'retry-after': '42' }), busy({ 'retry-after': '60' })])).sleeps).toEqual([
      42_250, 60_500,
    ]);
  });

  it('as a date counts from the answer’s own Date', async () => {
    const headers = { date: 'Mon, 23 Nov 2026 09:27:18 GMT', 'retry-after': 'Mon, 23 Nov 2026 09:28:00 GMT' };
    expect((await run([busy(headers)], {}, 0)).sleeps).toEqual([42_000]);
  });

  it('in the past or not understood leaves the usual wait', async () => {
    const past = { date: 'Mon, 23 Nov 2026 09:27:18 GMT', 'retry-after': 'Mon, 23 Nov 2026 09:27:00 GMT' };
    expect((await run([busy(past), busy({ 'retry-after': 'soon' })])).sleeps).toEqual([750, 1500]);
  });

  it('beyond the deadline is not waited for: the error says how long it would be', async () => {
    const { result, sleeps } = await run([busy({ 'retry-after': '3600' })]);
    expect(result.message).toContain('asks to wait 3600 s');
    expect(sleeps).toEqual([]);
  });
});

describe('time', () => {
  it('an attempt that takes too long is given up and tried again', async () => {
    await using gateway = await startGateway((_, n) => (n === 1 ? () => {} : undefined));
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
    const { requests } = await run(Array<Reply>(99).fill(reset), { maxAttempts: 99, deadlineMs: 10_000 }, 1);
    expect(requests).toBe(4); // waits of 1, 2 and 4 s; the next would be 8
  });

  it('what waits for the budget is no time of the request', async () => {
    const clock = new VirtualClock(seeded(1));
    const policy: RetryPolicy = { ...defaultPolicy, deadlineMs: 10_000 };
    const left: number[] = [];
    await retry(
      async (attempt, timeoutMs, untimed) => {
        await untimed(clock.sleep(60_000, undefined));
        left.push(timeoutMs);
        await clock.sleep(3000, undefined);
        if (attempt < 3) throw new TimeoutError('slow');
      },
      policy,
      clock,
      undefined,
    );
    expect(left[0]).toBe(10_000);
    expect(left[1]).toBeGreaterThanOrEqual(6000);
    expect(left[2]).toBeGreaterThanOrEqual(1000);
    expect(left[2]).toBeLessThan(3000);
  });

  it.each<[string, Reply]>([
    ['a 503', kongError(503, 'busy', { 'retry-after': '60' })],
    ['the gateway’s limit', rateLimited(60)],
  ])('an abort ends the wait after %s at once, on the system’s clock, and frees its slot', async (_, reply) => {
    await using gateway = await startGateway((_, n) => (n === 1 ? reply : undefined));
    // Skips the wait of whoever comes after the abort.
    const clock = new VirtualClock();
    let aborted = false;
    const both = {
      now: () => clock.now(),
      random: () => 0,
      sleep: (ms: number, signal: AbortSignal | undefined) => (aborted ? clock : systemClock).sleep(ms, signal),
    };
    const controller = new AbortController();
    const onResponse = () =>
      setTimeout(() => {
        aborted = true;
        controller.abort(new Error('enough'));
      }, 20);
    await using ner = new NerClient({ url: gateway.url, apiKey: KEY, clock: both, onResponse, concurrency: 1 });
    await expect(ner.extract('Ada', { signal: controller.signal })).rejects.toThrow('enough');
    expect(gateway.received).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await ner.extract('Bob')).toHaveLength(1);
  });
});
