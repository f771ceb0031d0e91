import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kong, NINE } from '../../../bench/client/kong.mjs';
import { leastPossible } from '../../../bench/client/least.mjs';
import { readLimits, refusedByGateway } from '../src/rate-headers.js';
import { ServerClock } from '../src/server-clock.js';
import { seeded, VirtualClock } from './clock.js';
import { Gate } from './gate.js';

interface Load {
  requests?: number;
  processes?: number;
  slots?: number;
  share?: number;
  seed?: number;
  kong?: ConstructorParameters<typeof Kong>[1];
  during?: (kong: Kong, clock: VirtualClock) => Promise<void>;
}

/** Sends requests through Kong in virtual time: every process has its own budget, and sends again what was refused. */
async function run({
  requests = 1000,
  processes = 1,
  slots = 5,
  share = 1,
  seed = 1,
  kong: options = {},
  during,
}: Load) {
  const clock = new VirtualClock(seeded(seed));
  const kong = new Kong(clock, options);
  const budgets = Array.from({ length: processes }, () => new Gate(clock, share));
  const left = budgets.map((_, i) => Math.floor((requests + i) / processes));
  const slot = async (budget: Gate, process: number) => {
    while ((left[process] ?? 0) > 0) {
      left[process] = (left[process] ?? 0) - 1;
      for (let served = false; !served; ) {
        const ticket = await budget.acquire();
        const reply = await kong.request().catch(() => ticket.unanswered());
        if (reply) ticket.answered(reply);
        served = reply?.status === 200;
      }
    }
  };
  const changes = during?.(kong, clock);
  await Promise.all(budgets.flatMap((budget, i) => Array.from({ length: slots }, () => slot(budget, i))));
  const seconds = clock.now() / 1000;
  await changes;
  const refused = kong.count(429);
  const waits = budgets.flatMap((budget) => budget.waits);
  return { seconds, refused, share: refused / (refused + kong.count(200)), waits, clock, kong };
}

/** A gateway whose clock showed `second` seconds after nine at the start. */
const from = (second: number) => (local: number) => NINE + second * 1000 + local;

/** An answer of Kong's, from a table of its headers. */
const reply = (status: number, headers: Record<string, string>) => ({
  status,
  header: (name: string) => headers[name],
});

describe('a client that is alone on its key', () => {
  it('is never refused, whatever the latency, the service time, the gateway’s clock and its Date', async () => {
    const load = fc.record({
      seed: fc.nat(),
      limit: fc.integer({ min: 1, max: 120 }),
      slots: fc.integer({ min: 1, max: 8 }),
      second: fc.double({ min: 0, max: 60, noNaN: true }),
      hours: fc.integer({ min: -9000, max: 9000 }),
      drift: fc.double({ min: -3e-4, max: 3e-4, noNaN: true }),
      skew: fc.constantFrom(0, 0, -2500, 2500, Number.NaN),
      service: fc.constantFrom(5, 50, 200, 1000, 4000, 25_000),
      way: fc.constantFrom(0, 1, 30, 400),
      lag: fc.constantFrom(0, 3, 40),
      hidden: fc.constantFrom('none' as const, 'none' as const, 'periods' as const),
    });
    await fc.assert(
      fc.asyncProperty(load, async ({ seed, limit, slots, second, hours, drift, skew, service, way, lag, hidden }) => {
        const random = seeded(seed);
        const begin = NINE + hours * 3_600_000 + second * 1000;
        const requests = Math.min(3 * limit + 5, 200);
        const { refused, kong } = await run({
          requests,
          slots,
          seed,
          kong: {
            limits: { minute: limit },
            server: (local) => begin + local * (1 + drift),
            service: () => service * (0.2 + 1.6 * random()),
            way: () => way * 2 * random(),
            lag: () => lag * random(),
            skew,
            hidden,
          },
        });
        expect({ refused, served: kong.count(200) }).toEqual({ refused: 0, served: requests });
      }),
      { seed: 2026, numRuns: 300 },
    );
  });

  const cases = [60, 100].flatMap((limit) =>
    [200, 4000].flatMap((service) => [1, 20, 40].map((second) => ({ limit, service, second }))),
  );
  it.each(cases)(
    'is as fast as can be: $limit a minute, $service ms, from :$second',
    async ({ limit, service, second }) => {
      const { seconds, refused } = await run({
        kong: { limits: { minute: limit }, service: () => service, server: from(second) },
      });
      const least = leastPossible({ requests: 1000, limit, slots: 5, second, service, way: 10 });
      expect(refused).toBe(0);
      expect(seconds / least).toBeLessThanOrEqual(1.01);
      expect(seconds / least).toBeGreaterThanOrEqual(1); // else the measure is wrong
    },
  );

  it('takes nobody for another whose requests overtake each other', async () => {
    const random = seeded(7);
    const { seconds, refused, waits } = await run({
      kong: { service: () => 400 * random(), way: () => 100 * random(), server: from(40) },
    });
    expect(refused).toBe(0);
    expect(seconds).toBeLessThan(20 + 8 * 60 + 12); // the tenth minute
    expect(waits).toHaveLength(9); // each told once
  });

  it('gives back at once what was under way when a window began but had arrived before', async () => {
    const load = { requests: 1000, limit: 74, slots: 5, second: 1, service: 4000, way: 10 };
    const { seconds, refused } = await run({
      kong: { limits: { minute: 74 }, service: () => 4000, server: from(1) },
    });
    expect(refused).toBe(0);
    expect(seconds / leastPossible(load)).toBeLessThanOrEqual(1.01);
  });

  it('keeps limits a second, a minute and an hour at once', async () => {
    for (const service of [40, 400, 4000]) {
      const limits = { second: 3, minute: 50, hour: 120 };
      const { refused, seconds, kong } = await run({
        requests: 130,
        kong: { limits, service: () => service, server: from(3300) },
      });
      expect({ refused, served: kong.count(200) }).toEqual({ refused: 0, served: 130 });
      // 120 in the five minutes that this hour still has, and the rest in the next.
      expect(seconds).toBeGreaterThan(300);
      expect(seconds).toBeLessThan(300 + 20);
    }
  });

  it.each([
    ['its 31st day, when Kong says that it resets in 1 s', Date.UTC(2026, 9, 31, 12)],
    ['its first day', Date.UTC(2026, 9, 1, 12)],
  ])('keeps a limit a month on %s', async (_, begin) => {
    const server = (local: number) => begin + local;
    const { refused, seconds, waits } = await run({
      requests: 7,
      slots: 1,
      kong: { limits: { month: 5 }, server },
    });
    const least = (Date.UTC(2026, 10) - begin) / 1000;
    expect(refused).toBe(0);
    expect(seconds / least).toBeGreaterThanOrEqual(1);
    expect(seconds / least).toBeLessThan(1.001);
    expect(waits).toHaveLength(1);
  });

  it('starts with one request, and with all slots when that says that there is no limit', async () => {
    const clock = new VirtualClock();
    const budget = new Gate(clock);
    const first = await budget.acquire();
    const rest = Array.from({ length: 50 }, () => budget.acquire());
    let granted = 0;
    for (const ticket of rest) ticket.then(() => granted++);
    await clock.sleep(100_000);
    expect(granted).toBe(0);
    first.unanswered(); // no answer yet: one more
    await clock.sleep(1);
    expect(granted).toBe(1);
    (await rest[0])?.answered(reply(200, { via: '1.1 kong/3.9.3' }));
    await clock.sleep(1);
    expect(granted).toBe(50);
    expect(budget.usage()).toEqual([]);
  });

  it('is not held up by requests that get no answer, nor by what was not sent after all', async () => {
    const outage = (local: number) =>
      local < 30_000 && Math.floor(local / 100) % 3 === 0 ? ('reset' as const) : undefined;
    const { refused } = await run({ requests: 250, kong: { outage } });
    expect(refused).toBe(0);
    const clock = new VirtualClock();
    const kong = new Kong(clock, { limits: { minute: 2 } });
    const budget = new Gate(clock);
    (await budget.acquire()).answered(await kong.request());
    for (let i = 0; i < 5; i++) (await budget.acquire()).release();
    (await budget.acquire()).answered(await kong.request());
    expect(clock.now()).toBeLessThan(1000);
    expect(budget.usage()).toMatchObject([{ period: 'minute', limit: 2, used: 2 }]);
  });
});

describe('with others on the key', () => {
  it('what they used before is not used again', async () => {
    const { refused, clock, kong } = await run({
      requests: 35,
      kong: { server: from(10) },
      during: (kong) => kong.others(70),
    });
    expect({ refused, served: kong.count(200) }).toEqual({ refused: 0, served: 35 });
    expect(clock.now()).toBeGreaterThan(50_000); // 30 in the first minute
  });

  it('four processes are refused at most 6 % and fail nothing; with a quarter each, nothing at all', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      for (const service of [200, 4000]) {
        const random = seeded(seed);
        const second = 60 * random();
        const kong = {
          service: () => service * (0.5 + random()),
          way: () => 5 + 20 * random(),
          lag: () => 3 * random(),
          server: from(second),
        };
        const free = await run({ processes: 4, seed, kong });
        expect(free.kong.count(200)).toBe(1000);
        expect(free.share).toBeLessThanOrEqual(0.05); // 0.06 is the promise, and what comes without foresight
        const agreed = await run({ processes: 4, share: 0.25, seed, kong });
        expect(agreed.refused).toBe(0);
        if (service === 200) expect(agreed.seconds).toBeLessThan(free.seconds * 1.03);
      }
    }
  });

  it.each([0.29, 1 / 3, 0.001])('a share of %f is whole requests, and one at least', async (share) => {
    const portion = { 0.29: 29, 0.001: 1 }[share] ?? 33;
    const { clock, waits } = await run({ requests: portion + 1, share, kong: { server: from(20) } });
    expect(clock.now()).toBeGreaterThan(40_000);
    expect(waits).toEqual([{ ms: expect.any(Number), reason: `${portion} of ${portion} used this minute` }]);
  });

  it('after a refusal the processes do not start together', async () => {
    const starts: number[] = [];
    for (const seed of [1, 2, 3]) {
      const clock = new VirtualClock(seeded(seed));
      const budget = new Gate(clock);
      (await budget.acquire()).answered(reply(429, { 'retry-after': '5' }));
      await budget.acquire();
      starts.push(clock.now());
    }
    for (const start of starts) expect(start).toBeGreaterThan(5000);
    expect(new Set(starts).size).toBe(3);
    expect(Math.max(...starts)).toBeLessThanOrEqual(6000);
  });
});

describe('a gateway that changes while it is used', () => {
  it('lowers its limit in the midst of a window, then raises it', async () => {
    for (const ms of [300, 1500, 2400, 3500]) {
      const { share, kong, seconds } = await run({
        kong: { server: from(20) },
        during: async (kong, clock) => {
          await clock.sleep(100_000 + ms);
          kong.limits = { minute: 40 };
          await clock.sleep(180_000);
          kong.limits = { minute: 200 };
        },
      });
      expect(kong.count(200)).toBe(1000);
      expect(share).toBeLessThanOrEqual(0.06);
      expect(seconds).toBeLessThan(530); // 100 + 100 + 4 × 40 + 200 … in minutes from :20
    }
  });

  it('is believed by what it said to the last request, whichever answer comes last', async () => {
    const clock = new VirtualClock();
    const budget = new Gate(clock);
    const told = (limit: number) =>
      reply(200, {
        date: new Date(NINE).toUTCString(),
        via: '1.1 kong/3.9.3',
        'x-ratelimit-limit-minute': String(limit),
        'x-ratelimit-remaining-minute': String(limit - 1),
      });
    (await budget.acquire()).answered(told(100));
    const early = await budget.acquire();
    await clock.sleep(1);
    const late = await budget.acquire();
    late.answered(told(40));
    early.answered(told(100));
    expect(budget.usage()).toMatchObject([{ limit: 40 }]);
  });

  it('refuses what it lowered its limit for, and that uses up no other limit', async () => {
    const { refused, seconds } = await run({
      requests: 200,
      kong: { limits: { minute: 50, hour: 200 }, service: () => 1000, server: from(61) },
      during: async (kong, clock) => {
        await clock.sleep(64_600);
        kong.limits = { minute: 20, hour: 200 };
      },
    });
    expect(refused).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(3500);
  });

  it('drops a limit: nothing waits for it any longer', async () => {
    const { seconds, refused } = await run({
      requests: 150,
      kong: { limits: { minute: 60, hour: 100 }, server: from(100) },
      during: async (kong, clock) => {
        await clock.sleep(10_000); // 60 are used
        kong.limits = { minute: 60 };
      },
    });
    expect(refused).toBe(0);
    expect(seconds).toBeLessThan(180);
  });

  // Set back, a minute that is used up may come again.
  it.each([
    [-7_200_000, 0],
    [-90_000, 10],
    [-3000, 5],
    [-600, 5],
    [5000, 0],
    [45_000, 0],
    [7_200_000, 0],
  ])('sets its clock by %i ms: at most %i are refused', async (ms, most) => {
    const random = seeded(3);
    const { kong, refused, seconds } = await run({
      requests: 900,
      kong: {
        service: () => 100 + 200 * random(),
        way: () => 10 * random(),
        server: (local) => NINE + 20_000 + local + (local > 150_000 ? ms : 0),
      },
    });
    expect(kong.count(200)).toBe(900);
    expect(refused).toBeLessThanOrEqual(most);
    expect(seconds).toBeLessThan(650);
  });
});

describe('a gateway that hides its headers', () => {
  const hidden = 'all' as const;

  it('is waited for to the next minute of its own clock, and few are refused', async () => {
    const { refused, kong, waits, seconds } = await run({ requests: 300, kong: { hidden, server: from(45) } });
    expect(kong.count(200)).toBe(300);
    expect(refused).toBeLessThanOrEqual(3 * 5);
    expect(waits[0]).toMatchObject({ reason: 'the gateway asks to wait' });
    expect(seconds).toBeLessThan(15 + 60 + 10);
  });

  it('is asked less and less often when a minute does not help', async () => {
    const { refused, kong, seconds } = await run({
      requests: 60,
      slots: 5,
      kong: { hidden, limits: { hour: 50 }, server: from(600) },
    });
    expect(kong.count(200)).toBe(60);
    expect(refused).toBeLessThanOrEqual(5 + 6); // those under way, then one after 1, 2, 4, 8, … minutes
    expect(seconds).toBeLessThan(2 * 3000);
  });
});

describe('waiting', () => {
  /** A budget that is used up for 36 s more, after an answer that took 4 s. */
  async function usedUp() {
    const clock = new VirtualClock();
    const kong = new Kong(clock, { limits: { minute: 1 }, server: from(20), way: () => 0, service: () => 4000 });
    const budget = new Gate(clock);
    (await budget.acquire()).answered(await kong.request());
    return { clock, budget };
  }

  it('lasts a second at least, whatever Retry-After says', async () => {
    const clock = new VirtualClock(0);
    const budget = new Gate(clock);
    (await budget.acquire()).answered(reply(429, { 'retry-after': '0' }));
    await budget.acquire();
    expect(clock.now()).toBe(1000);
  });

  it('is told once, with how long and why; so is the budget', async () => {
    const { budget } = await usedUp();
    const { waits } = budget;
    expect(budget.usage()).toMatchObject([{ period: 'minute', limit: 1, used: 1 }]);
    expect(budget.usage()[0]?.resetsInMs).toBeCloseTo(36_000, -3);
    const waiting = [budget.acquire(), budget.acquire()];
    expect(waits).toEqual([{ ms: expect.any(Number), reason: '1 of 1 used this minute' }]);
    expect(waits[0]?.ms).toBeGreaterThanOrEqual(36_000);
    expect(waits[0]?.ms).toBeLessThanOrEqual(37_100);
    (await waiting[0])?.release();
    await waiting[1];
  });
});

describe('the gateway’s clock', () => {
  it('is never later than it is taken for, nor earlier; and it is known better with each answer', () => {
    const random = seeded(5);
    const server = new ServerClock();
    const truth = (local: number) => NINE + 1.0003 * local;
    let local = 0;
    for (let n = 1; n <= 200; n++) {
      const from = local;
      local += 20 * random();
      const second = Math.floor(truth(local) / 1000) * 1000;
      local += 20 * random();
      server.learn(second, from, local);
      local += 500 * random();
      expect(server.earliest(local)).toBeLessThanOrEqual(truth(local));
      expect(server.latest(local)).toBeGreaterThanOrEqual(truth(local));
      if (n > 20) expect(truth(local) - server.earliest(local)).toBeLessThan(200);
    }
    const minute = NINE + 3_600_000;
    const when = server.whenSurely(minute);
    expect(server.earliest(when)).toBeGreaterThanOrEqual(minute);
    expect(server.earliest(when - 1.1)).toBeLessThan(minute);
  });
});

describe('headers as recorded from Kong 3.9', () => {
  const two = (minute: number, hour: number, tightest: Record<string, string>) => ({
    'x-ratelimit-limit-minute': '5',
    'x-ratelimit-remaining-minute': String(minute),
    'x-ratelimit-limit-hour': '8',
    'x-ratelimit-remaining-hour': String(hour),
    ...tightest,
  });
  const tightest = (limit: number, remaining: number, reset: number) => ({
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(reset),
  });

  it.each([
    ['the minute is tighter', two(4, 7, tightest(5, 4, 51)), { period: 'minute', seconds: 51 }],
    ['the hour is tighter', two(4, 2, tightest(8, 2, 1680)), { period: 'hour', seconds: 1680 }],
    [
      'both are as tight',
      { ...two(0, 0, tightest(8, 0, 1680)), 'x-ratelimit-limit-minute': '8' },
      { period: 'hour', seconds: 1680 },
    ],
  ])('say when it ends: %s', (_, headers, reset) => {
    const limits = readLimits(reply(200, headers));
    expect(limits).toMatchObject({ complete: true, reset });
    expect([...limits.byPeriod.keys()]).toEqual(['minute', 'hour']);
  });

  it('are enough without those of the periods, and nothing is known without any', () => {
    const limits = readLimits(reply(200, tightest(8, 2, 1680)));
    expect([...limits.byPeriod]).toEqual([['hour', { limit: 8, remaining: 2 }]]);
    expect(readLimits(reply(200, { via: '1.1 kong/3.9.3' }))).toMatchObject({ complete: false, reset: undefined });
  });

  it.each([
    ['its own 429', 429, { 'x-kong-response-latency': '1', 'retry-after': '42', 'ratelimit-remaining': '0' }, true],
    [
      'its own with another error_code',
      503,
      { 'x-kong-response-latency': '1', 'retry-after': '16', 'ratelimit-remaining': '0' },
      true,
    ],
    ['its own behind a proxy that adds Via', 429, { via: '1.1 proxy', 'x-kong-response-latency': '1' }, true],
    ['its own, hidden', 429, {}, true],
    [
      'that of Lambda',
      429,
      { via: '1.1 kong/3.9.3', 'x-kong-upstream-latency': '9', 'ratelimit-remaining': '57' },
      false,
    ],
    ['a 503 of Kong for a name that it cannot resolve', 503, { 'x-kong-response-latency': '5' }, false],
  ])('tell a refusal: %s', (_, status, headers, refused) => {
    expect(refusedByGateway(reply(status, headers as Record<string, string>))).toBe(refused);
  });
});
