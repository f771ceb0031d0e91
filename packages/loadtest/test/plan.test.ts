import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import { fargateTask, PRICES, readPrices, runCost } from '../src/plan/cost.js';
import { type Plan, type PlanOptions, plan } from '../src/plan/plan.js';
import { feedOf } from '../src/plan/pools.js';
import { type PlanRow, planFrom, type RowOptions } from '../src/plan/rows.js';
import { planReport } from '../src/report/planned.js';
import type { Sample } from '../src/run/sample.js';
import { run, sample } from './report/run.js';

const cold = (ms: number, more: Partial<Sample> = {}) => sample(ms, { start: 'cold', burst: 1, ...more });
const fixed = run([sample(100), cold(3000, { initMs: 2000 })]);

function row(options: Partial<RowOptions> = {}, measured = fixed): PlanRow {
  const rows = planFrom(feedOf([measured]), { n: [20], provisioned: [5], ...options });
  expect(rows).toHaveLength(1);
  return rows[0] as PlanRow;
}

test('provisioned environments take the first requests, reserved concurrency refuses the last', () => {
  const rows = planFrom(feedOf([fixed]), { n: [4, 20], provisioned: [0, 5, 10], reserved: 15 });
  expect(
    rows.map(({ n, provisioned, coldShare, lambda429, p50, p95 }) => [
      n,
      provisioned,
      coldShare,
      lambda429,
      p50.value,
      p95.value,
    ]),
  ).toEqual([
    [4, 0, 1, [0, 0], 3000, 3000],
    [4, 5, 0, [0, 0], 100, 100],
    [4, 10, 0, [0, 0], 100, 100],
    [20, 0, 1, [5, 5], 3000, 3000],
    [20, 5, 10 / 15, [5, 5], 3000, 3000],
    [20, 10, 5 / 15, [5, 5], 100, 3000],
  ]);
});

test('beyond the limit the gateway admits between the limit and all', () => {
  expect(row({ n: [100], reserved: 200 }).kong429).toEqual([0, 0]);
  const wide = row({ n: [150], provisioned: [80], reserved: 120 });
  expect(wide).toMatchObject({ kong429: [0, 50], lambda429: [0, 30], coldShare: 40 / 120 });
  // If all are admitted, none waits for the next window; if the limit is, fifty do.
  const { drainMs } = row({ n: [150], provisioned: [150], reserved: 150 });
  expect(drainMs.lower).toBe(100);
  expect(drainMs.value).toBeGreaterThan(10_000);
  expect(drainMs.upper).toBeGreaterThan(50_000);
  // Latencies are of all, their intervals of both: of 100, 80 are warm, and of 150, 80.
  const warm = Array.from({ length: 200 }, (_, i) => sample(100 + i, { burst: i }));
  const colds = Array.from({ length: 200 }, (_, i) => cold(3000 + i, { burst: i }));
  const both = row({ n: [150], provisioned: [80], reserved: 200 }, run([...warm, ...colds]));
  expect(both.p50.value).toBeGreaterThan(280);
  expect(both.p50.lower).toBeLessThan(240);
  expect(both.p50.upper).toBeGreaterThan(280);
});

test('provisioned, 2 GB, x86: five at all times are $109.50 a month', () => {
  const { dollarsAMonth } = row({ arch: 'x86_64', memoryMb: 2048, burstsPerDay: 0 });
  expect(dollarsAMonth.provisioned.toFixed(2)).toBe('109.50');
  expect(dollarsAMonth.scheduled.toFixed(2)).toBe('36.50');
  expect(dollarsAMonth.onDemand).toBe(0);
});

test('a thousand requests of 1 s, 2 GB, x86 cost $0.0335; refused requests are paid for when they come again', () => {
  expect(runCost(1000, 1000, 2048, 'x86_64')).toBeCloseTo(1000 * (2e-7 + 2 * 1.66667e-5), 12);
  const options = { arch: 'x86_64', memoryMb: 2048, burstsPerDay: 24, reserved: 5, provisioned: [2] } as const;
  const burst = runCost(5, 3000, 2048, 'x86_64') + runCost(15, 100, 2048, 'x86_64');
  expect(row(options).dollarsAMonth.onDemand).toBeCloseTo(burst * 730, 9);
  // Of the fifteen that come again, six find one of the two that are provisioned.
  const kept = 2 * 730 * 3600 * 2 * 4.1667e-6 + 730 * 8 * (2e-7 + 0.1 * 2 * 9.7222e-6);
  const others = runCost(3, 3000, 2048, 'x86_64') + runCost(9, 100, 2048, 'x86_64');
  expect(row(options).dollarsAMonth.provisioned).toBeCloseTo(kept + others * 730, 9);
});

test('billed is what the REPORT line says, else what the gateway waited', () => {
  const billed = (more: Partial<Sample>) => feedOf([run([sample(100, more), cold(3000, more)])]).billedMs;
  expect(billed({ billedMs: 40, upstreamMs: 50 })).toEqual({ warm: 40, cold: 40 });
  expect(billed({ upstreamMs: 50 })).toEqual({ warm: 50, cold: 50 });
  expect(billed({})).toEqual({ warm: 100, cold: 3000 });
});

test('at its break-even each costs what on demand costs, and beyond it less', () => {
  const { breakEven } = row();
  for (const key of ['provisioned', 'scheduled', 'fargate'] as const) {
    const bursts = breakEven[key] as number;
    const { dollarsAMonth: at } = row({ burstsPerDay: bursts });
    expect(at[key] / at.onDemand).toBeCloseTo(1, 9);
    const { dollarsAMonth: beyond } = row({ burstsPerDay: bursts * 1.1 });
    expect(beyond[key]).toBeLessThan(beyond.onDemand);
  }
  expect(row({ provisioned: [0] })).toMatchObject({
    breakEven: { provisioned: null, scheduled: null },
    avoidedColdStart: null,
  });
  const dear = { ...PRICES.lambda, provisionedDuration: { ...PRICES.lambda.provisionedDuration, arm64: 1 } };
  expect(row({ prices: { ...PRICES, lambda: dear } }).breakEven).toMatchObject({ provisioned: null, scheduled: null });
});

test('a cold start less costs its part of what is paid more', () => {
  const { dollarsAMonth, avoidedColdStart } = row({ burstsPerDay: 24 });
  const avoided = 5 * 24 * (730 / 24);
  expect(avoidedColdStart?.provisioned).toBeCloseTo((dollarsAMonth.provisioned - dollarsAMonth.onDemand) / avoided, 9);
  expect(avoidedColdStart?.scheduled).toBeLessThan(avoidedColdStart?.provisioned as number);
});

test('reading the model from EFS is paid by cold starts alone', () => {
  const without = row().dollarsAMonth;
  const { onDemand, provisioned } = row({ efsMb: 600 }).dollarsAMonth;
  expect(onDemand - without.onDemand).toBeCloseTo(20 * 0.6 * 0.03 * 730, 9);
  expect(provisioned - without.provisioned).toBeCloseTo(15 * 0.6 * 0.03 * 730, 9);
});

test('Fargate: as many tasks as answer 95 % within p95, each with the size of an environment', () => {
  // 19 of 20, one after another, 30 in 3000 ms.
  expect(row({ provisioned: [0] }).fargateTasks).toBe(1);
  expect(row({ provisioned: [20] }).fargateTasks).toBe(19);
  expect(row({ provisioned: [20], arch: 'x86_64' }).dollarsAMonth.fargate).toBeCloseTo(
    19 * 730 * (0.04048 + 2 * 0.004445),
    6,
  );
  expect([128, 1024, 1769, 2048, 3008, 7076, 10_240].map((mb) => Object.values(fargateTask(mb)))).toEqual([
    [0.25, 0.5],
    [1, 2],
    [1, 2],
    [1, 2],
    [1, 3],
    [1, 7],
    [2, 10],
  ]);
});

test('what a plan cannot be made of is one sentence', () => {
  expect(() => row({}, run([sample(100)]))).toThrow(/^The run has no cold answer to plan from; .+\.$/);
  expect(() => row({}, run([cold(3000)]))).toThrow(/^The run has no warm answer to plan from; .+\.$/);
  expect(() => row({ reserved: 4 })).toThrow(/Provisioned concurrency 5 is above reserved concurrency 4/);
  expect(() => row({ n: [0] })).toThrow(InputError);
});

test('answers that were initialised ahead are warm; those that do not say, and failures, are left out and told', async () => {
  const measured = run([
    sample(100, { start: 'ahead' }),
    sample(1, { start: 'unknown' }),
    sample(2, { outcome: '5xx' }),
    sample(60_000, { outcome: 'timeout', start: 'unknown', lastByteMs: null }),
    cold(3000),
  ]);
  const feed = feedOf([measured]);
  expect([feed.warm, feed.cold].map(({ sorted }) => [...sorted])).toEqual([[100], [3000]]);
  const text = planReport(await plan([measured], { n: [20], provisioned: [5] }));
  expect(text).toContain('1 requests of the run timed out');
  expect(text).toContain('1 answers do not tell cold from warm');
});

test('bursts of the run that are as planned stand first, as they were measured', async () => {
  const bursts = [0, 1, 2].flatMap((burst) => [
    sample(50 + burst, { burst, start: 'ahead', initType: 'provisioned', instance: 'p' }),
    cold(2000 + burst, { burst }),
  ]);
  // The fourth found an environment of the third, and the fifth was before they were provisioned.
  const others = [40, 60].map((ms) => sample(ms, { burst: 3 })).concat([1, 2].map(() => cold(9000, { burst: 4 })));
  const measured = run([...bursts, ...others], { n: 2, bursts: 5 });
  const { rows: all } = await plan([measured], { n: [2], provisioned: [1] });
  const [first, ...rows] = all;
  expect(first).toMatchObject({ measured: true, n: 2, provisioned: 1, p50: { value: 52 }, p95: { value: 2002 } });
  expect(rows).toMatchObject([{ n: 2, provisioned: 1, p50: { value: 60 }, p95: { value: 9000 } }]);
  expect(rows[0]).not.toHaveProperty('measured');
  const mixed = await plan([run([sample(1), cold(2, { burst: 0 })])], { n: [2], provisioned: [1] });
  expect(mixed.rows).toHaveLength(1);
});

test('a burst of which some failed is no measurement of its setting; one environment counts once', async () => {
  const provisioned = { start: 'ahead', initType: 'provisioned', instance: 'p' } as const;
  const lost = { outcome: 'timeout', start: 'unknown', lastByteMs: null } as const;
  const failed = [sample(40, { ...provisioned, burst: 0 }), cold(900, { burst: 0 }), sample(0, { ...lost, burst: 0 })];
  const whole = [50, 60].map((ms) => sample(ms, { ...provisioned, burst: 1 })).concat(cold(2000, { burst: 1 }));
  const rows = async (samples: Sample[]) =>
    (await plan([run(samples, { n: 3, bursts: 2 })], { n: [3], provisioned: [1] })).rows;
  expect(await rows(failed)).toHaveLength(1);
  expect(await rows([...failed, ...whole])).toMatchObject([
    { measured: true, provisioned: 1, p50: { value: 60 }, p95: { value: 2000 } },
    {},
  ]);
});

test('the table tells ranges, break-evens out of reach, and what is too little measured', async () => {
  const options = { n: [150], provisioned: [5], reserved: 50, prices: { ...PRICES, region: 'eu-west-1' } };
  const text = stripVTControlCharacters(planReport(await plan([fixed], options)));
  expect(text).toMatch(/150 +5 +90 % +3\.00 s \[\? – \?\].+0–50 +50–100$/m);
  expect(text).toMatch(/^150 +5 +never +never +never +\$0\.0\d+ +\$0\.00\d+$/m);
  expect(text).toContain('Percentiles, cold and dollars are with all admitted, last answer is with 100.');
  expect(text).toContain('Prices of eu-west-1, 2026-11-23, arm64');
});

test('one run cold and one warm are a plan; of several memory sizes it must be said which, and each has its row', async () => {
  const labelled = (memory: string, ...samples: Sample[]) => run(samples, { labels: { memory, arch: 'x86_64' } });
  const [coldRun, warmRun] = [run([cold(3000)]), run([sample(100)])];
  expect((await plan([coldRun, warmRun], { n: [20], provisioned: [5] })).answers).toEqual({ cold: 1, warm: 1 });
  // Of 100 ms the function takes 60: half the CPU makes it 120.
  const half = labelled('884', sample(160, { nerMs: 120 }), cold(2000, { initMs: 1000, nerMs: 120 }));
  const full = labelled('1769', sample(100, { nerMs: 60 }), cold(1000, { initMs: 500, nerMs: 60 }));
  const options: PlanOptions = { n: [20], provisioned: [5] };
  await expect(plan([half, full], options)).rejects.toThrow(
    /different memory \(884, 1769 MB\); say which with --memory/,
  );
  const both = await plan([half, full], { ...options, memoryMb: [1769, 884, 3538] });
  expect(both.setting).toMatchObject({ memoryMb: 1769, arch: 'x86_64' });
  expect(both.rows[0]?.p50.value).toBe(1000);
  expect(both.memory).toMatchObject([
    { memoryMb: 1769, measured: true, warm: { value: 100 }, cold: { value: 1000 } },
    { memoryMb: 884, measured: true, warm: { value: 160 } },
    { memoryMb: 3538, measured: false, from: 1769, warm: { value: 100 } },
  ]);
  expect(both.memory[2]?.usd).toBeCloseTo(2 * (both.memory[0]?.usd as number) - 1000 * 2e-7, 9);
  const [predicted] = (await plan([full], { ...options, memoryMb: [884, 1769] })).memory;
  expect(predicted).toMatchObject({ measured: false, from: 1769, warm: { value: expect.closeTo(160, 0) } });
  expect(predicted?.cold?.value).toBeCloseTo(1000 + 560, -1);
  // A plan is of one function; a run that does not say is of any.
  const arm = run([sample(50), cold(900)], { labels: { memory: '1769', arch: 'arm64' } });
  await expect(plan([arm, full], options)).rejects.toThrow(
    'The runs are of arm64 and of x86_64; say which with --arch.',
  );
  const chosen = await plan([arm, full], { ...options, arch: 'x86_64' });
  expect(chosen).toMatchObject({ setting: { arch: 'x86_64' }, answers: { cold: 1, warm: 1 } });
  const unsaid = run([sample(70), cold(950)], { labels: { memory: '1769' } });
  expect((await plan([unsaid, full], options)).answers).toEqual({ cold: 2, warm: 2 });
  const dollars = async (arch: 'arm64' | 'x86_64') =>
    (await plan([half], { ...options, arch, memoryMb: [884, 1769] })).memory[0]?.usd as number;
  expect(await dollars('arm64')).toBeLessThan(0.85 * (await dollars('x86_64')));
  const silent = labelled('1769', sample(100), cold(1000));
  await expect(plan([silent], { ...options, memoryMb: [884, 1769] })).rejects.toThrow('has no server-timing header');
});

test('prices are those of the region that the run tells, or that is asked for; billed time is a bound with its factor', async () => {
  const told = run([sample(100, { nerMs: 40, upstreamMs: 80 }), cold(3000, { nerMs: 40, upstreamMs: 80, initMs: 0 })], {
    target: 'https://abc.lambda-url.eu-west-1.on.aws/nlp/ner',
  });
  const options: PlanOptions = { n: [20], provisioned: [5], arch: 'x86_64' };
  const here: Plan = await plan([told], options);
  expect(here.prices.region).toBe('eu-west-1');
  const there = await plan([told], { ...options, region: 'af-south-1' });
  expect((there.rows[0] as PlanRow).dollarsAMonth.onDemand).toBeGreaterThan(
    (here.rows[0] as PlanRow).dollarsAMonth.onDemand,
  );
  for (const region of ['moon-1', 'constructor', '__proto__']) {
    await expect(plan([told], { ...options, region })).rejects.toThrow(
      `No prices of ${region} are known; give --prices`,
    );
  }
  expect(here.billed).toEqual({ byReport: false, factor: 2 });
  expect(here.caveats.join()).toContain('up to 2.0 times the function’s own time');
  // Five minutes at least, and whole ones.
  expect((await plan([told], { ...options, hoursADay: 0.01 })).setting.hoursADay).toBeCloseTo(1 / 12, 9);
});

test('prices of one’s own take the place of the list’s; a file of another form is one sentence', () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'burst-ner-prices-')), 'prices.json');
  const write = (value: unknown) => writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  write({ ...PRICES, lambda: { ...PRICES.lambda, duration: { ...PRICES.lambda.duration, arm64: 1 } } });
  expect(runCost(1, 1000, 1024, 'arm64', readPrices(file))).toBeCloseTo(1, 5);
  write({ ...PRICES, lambda: { ...PRICES.lambda, duration: { ...PRICES.lambda.duration, arm64: '1' } } });
  expect(() => readPrices(file)).toThrow(/prices\.json, "lambda\.duration\.arm64": .*number.*--print-prices.*\.$/);
  write({ ...PRICES, efs: {} });
  expect(() => readPrices(file)).toThrow('"efs.elasticRead"');
  write('{');
  expect(() => readPrices(file)).toThrow('is not JSON');
  expect(() => readPrices(`${file}.not`)).toThrow(/^Cannot read .+ \(ENOENT\)/);
});

test('every price has its unit and an official source', () => {
  const prices = [...Object.values(PRICES.lambda), ...Object.values(PRICES.fargate), PRICES.efs.elasticRead];
  for (const { unit, source } of prices) {
    expect(unit).not.toBe('');
    expect(source).toMatch(/^https:\/\/aws\.amazon\.com\/.+\/pricing\/$/);
  }
});
