import { describe, expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import type { Sample } from '../src/run/sample.js';
import { judge } from '../src/statistics/judgement.js';
import { summarise } from '../src/statistics/summary.js';
import { exitCode, parseThreshold } from '../src/statistics/threshold.js';
import { generator, repeat, run, sample } from './report/run.js';

const LOST = { firstByteMs: null, lastByteMs: null, status: null, start: 'unknown' } as const;
const upTo = (n: number, more: Partial<Sample> = {}) => Array.from({ length: n }, (_, i) => sample(i + 1, more));
/** Without bursts all samples are independent: each is a cluster of its own. */
const apart = (samples: Sample[]) => samples.map((one, burst) => ({ ...one, burst }));
const judged = (text: string, samples: Sample[], mode: 'sustained' | 'bursts' = 'sustained') => {
  const all = mode === 'bursts' ? samples : apart(samples);
  return judge(parseThreshold(text, 'run'), run(all, { mode }), summarise(all, 'sent'));
};

describe('the grammar', () => {
  test.each([
    ['run', 'warm.p95 > 250ms', { bound: 250, unit: 'ms', metric: { name: 'warm.p95' } }],
    ['run', 'all.max>1.5 s', { bound: 1500, unit: 'ms' }],
    ['run', ' cold.p50  >  2m ', { bound: 120_000, unit: 'ms' }],
    ['run', 'timeout > 0', { bound: 0, unit: 'requests' }],
    ['run', '5xx > 1%', { bound: 0.01, unit: 'share' }],
    ['run', 'cold.share > 20 %', { bound: 0.2, unit: 'share' }],
    ['compare', 'warm.p50 > +10%', { bound: 0.1, unit: 'increase' }],
    ['compare', 'connection-error > +0.5%', { bound: 0.005, unit: 'increase' }],
  ] as const)('%s: %s', (command, text, threshold) => {
    expect(parseThreshold(text, command)).toMatchObject({ text, ...threshold });
  });

  test.each([
    ['run', '', "must be like 'warm.p95 > 250ms'"],
    ['run', 'warm.p95', "must be like 'warm.p95 > 250ms'"],
    ['run', 'warm.p95 < 250ms', "must be like 'warm.p95 > 250ms'"],
    ['run', 'hot.p95 > 250ms', 'of all, cold, ahead or warm with .p50'],
    ['run', 'ok > 3', 'must be like'],
    ['run', 'warm.p95 > 250', "write 'warm.p95 > 250ms'"],
    ['run', 'warm.p95 > +10%', "write 'warm.p95 > 250ms'"],
    ['run', 'timeout > 1s', "write 'timeout > 1%' or 'timeout > 0'"],
    ['run', 'timeout > 0%', 'has no bound'],
    ['run', 'timeout > 100%', 'has no bound'],
    ['run', 'cold.share > 3', "write 'cold.share > 1%'."],
    ['compare', 'warm.p50 > 250ms', "write 'warm.p50 > +10%'"],
    ['compare', 'x', "must be like 'warm.p95 > +10%'"],
  ] as const)('%s: %s is refused in one sentence', (command, text, sentence) => {
    expect(() => parseThreshold(text, command)).toThrow(InputError);
    expect(() => parseThreshold(text, command)).toThrow(`--fail-if '${text}' `);
    expect(() => parseThreshold(text, command)).toThrow(sentence);
  });
});

describe('a run is judged', () => {
  test('by the whole interval of a percentile', () => {
    // The interval of the median of 20 is from the 6th to the 15th value.
    expect(judged('warm.p50 > 5ms', upTo(20))).toMatchObject({
      verdict: 'broken',
      sentence: '10.0 ms: 15 of 20 warm answers above',
    });
    expect(judged('warm.p50 > 15ms', upTo(20))).toMatchObject({ verdict: 'held' });
    expect(judged('warm.p50 > 6ms', upTo(20))).toMatchObject({ verdict: 'undecided' });
    expect(judged('warm.p50 > 14ms', upTo(20))).toMatchObject({ verdict: 'undecided' });
    expect(judged('all.p50 > 5ms', [...upTo(10), ...upTo(10, { start: 'cold' })]).sentence).toMatch(
      /^5\.0 ms: 10 of 20 answers above;/,
    );
  });

  test('the same as the interval that is printed, whatever the values', () => {
    const random = generator(3);
    for (let round = 0; round < 300; round++) {
      const samples = Array.from({ length: 1 + Math.floor(120 * random()) }, () =>
        random() < 0.1 ? sample(0, { ...LOST, outcome: 'timeout' }) : sample(1 + Math.floor(50 * random())),
      );
      const { all } = summarise(apart(samples), 'sent').latency;
      const bound = Math.floor(52 * random());
      const { verdict } = judged(`all.p90 > ${bound}ms`, samples);
      const { lower = null, upper = null } = all?.p90 ?? {};
      if (lower !== null && lower > bound) expect(verdict).toBe('broken');
      else if (upper !== null && upper <= bound) expect(verdict).toBe('held');
      // An end among the time-outs lies above every bound.
      else if (verdict !== 'undecided') expect({ verdict, lower }).toEqual({ verdict: 'broken', lower: null });
    }
  });

  test('undecided says how many more would tell, and so many do', () => {
    for (const [text, count, more] of [
      ['warm.p99 > 10s', 20, 348],
      ['warm.p50 > 14ms', 20, 1],
      ['5xx > 1%', 20, 348],
    ] as const) {
      const { verdict, sentence } = judged(text, upTo(count));
      expect(verdict).toBe('undecided');
      const told = Number(/; about (\d+) more would tell$/.exec(sentence)?.[1]);
      if (more > 1) expect(told).toBe(more);
      const same = Array.from({ length: count + told }, (_, i) => sample(1 + Math.floor((i * count) / (count + told))));
      expect(judged(text, same).verdict).not.toBe('undecided');
    }
    expect(judged('warm.p50 > 10ms', upTo(20)).sentence, 'half of them lie above').toContain('too near the bound');
  });

  test('by what is a fact: counts, and the greatest', () => {
    const samples = [
      ...upTo(20),
      sample(0, { ...LOST, outcome: 'timeout' }),
      sample(1, { outcome: '5xx', status: 500 }),
    ];
    expect(judged('timeout > 0', samples)).toMatchObject({ verdict: 'broken', sentence: '4.5 %: 1 of 22 requests' });
    expect(judged('timeout > 1', samples)).toMatchObject({ verdict: 'held' });
    expect(judged('warm.max > 19ms', samples)).toMatchObject({
      verdict: 'broken',
      sentence: '20.0 ms: 1 of 20 warm answers above',
    });
    expect(judged('warm.max > 20ms', upTo(20))).toMatchObject({ verdict: 'held' });
    expect(judged('all.max > 1m', samples), 'a time-out has no end').toMatchObject({
      verdict: 'broken',
      sentence: 'timed out: 1 of 21 answers above',
    });
  });

  test('by the exact interval of a share', () => {
    const some = (failed: number, n: number) => [
      ...upTo(n - failed),
      ...Array.from({ length: failed }, () => sample(1, { outcome: '5xx', status: 500 })),
    ];
    // Clopper and Pearson's intervals: 0 of 368 up to 1.0 %; 10 of 400 from 1.2 to 4.5 %.
    expect(judged('5xx > 1%', some(0, 368))).toMatchObject({ verdict: 'held', sentence: '0 %: 0 of 368 requests' });
    expect(judged('5xx > 1%', some(0, 367))).toMatchObject({ verdict: 'undecided' });
    expect(judged('5xx > 1%', some(10, 400))).toMatchObject({
      verdict: 'broken',
      sentence: '2.5 %: 10 of 400 requests',
    });
    expect(judged('5xx > 1.3%', some(10, 400))).toMatchObject({ verdict: 'undecided' });
    const starts = [...upTo(100, { start: 'cold' }), ...upTo(100), ...upTo(50, { start: 'unknown' })];
    expect(judged('cold.share > 40%', starts)).toMatchObject({
      verdict: 'broken',
      sentence: '50 %: 100 of 200 answers that tell their start',
    });
    expect(judged('cold.share > 60%', starts)).toMatchObject({ verdict: 'held' });
  });

  test('time-outs count against a percentile of all', () => {
    const timeouts = Array.from({ length: 15 }, () => sample(0, { ...LOST, outcome: 'timeout' as const }));
    expect(judged('all.p50 > 10s', [...upTo(5), ...timeouts])).toMatchObject({
      verdict: 'broken',
      sentence: 'timed out: 15 of 20 answers above',
    });
  });

  test('nothing of one start is held while time-outs, whose start nobody knows, could break it', () => {
    const lost = (n: number) => Array.from({ length: n }, () => sample(0, { ...LOST, outcome: 'timeout' as const }));
    expect(judged('warm.p50 > 10s', [...upTo(20), ...lost(3)])).toMatchObject({ verdict: 'held' });
    const half = [...upTo(20), ...lost(20)];
    expect(judged('warm.p50 > 10s', half)).toMatchObject({
      verdict: 'undecided',
      sentence: '10.0 ms: 0 of 20 warm answers above, and 20 time-outs whose start nobody knows',
    });
    expect(judged('warm.max > 10s', half)).toMatchObject({ verdict: 'undecided' });
    expect(judged('warm.p50 > 1ms', half)).toMatchObject({ verdict: 'broken' });
  });

  test('of bursts as so many independent requests as they are worth', () => {
    const burstsOf = (...counts: number[]) =>
      counts.flatMap((above, burst) => Array.from({ length: 20 }, (_, i) => sample(i < above ? 200 : 100, { burst })));
    // 240 of 400 above the median's bound: of independent requests enough to break it.
    const alike = burstsOf(...repeat(20, 12));
    const differ = burstsOf(...repeat(8, 0), ...repeat(12, 20));
    expect(judged('warm.p50 > 150ms', alike, 'bursts')).toMatchObject({ verdict: 'broken' });
    expect(judged('warm.p50 > 150ms', differ)).toMatchObject({ verdict: 'broken' });
    const { verdict, sentence } = judged('warm.p50 > 150ms', differ, 'bursts');
    expect(verdict).toBe('undecided');
    const more = Number(
      /^200 ms: 240 of 400 warm answers above; about (\d+) more bursts would tell$/.exec(sentence)?.[1],
    );
    // A tenth above, for whole bursts.
    const times = (1.1 * (20 + more)) / 20;
    const grown = burstsOf(...repeat(Math.ceil(8 * times), 0), ...repeat(Math.ceil(12 * times), 20));
    expect(judged('warm.p50 > 150ms', grown, 'bursts')).toMatchObject({ verdict: 'broken' });
    // Failures come in bursts too.
    const failing = burstsOf(...repeat(20, 0)).map((one) =>
      one.burst === 3 ? { ...one, outcome: '5xx' as const, status: 500 } : one,
    );
    expect(judged('5xx > 1%', failing)).toMatchObject({ verdict: 'broken' });
    expect(judged('5xx > 1%', failing, 'bursts')).toMatchObject({ verdict: 'undecided' });
    // Fewer than five tell nothing of how much bursts differ; a count is a fact.
    expect(judged('warm.p50 > 1s', burstsOf(...repeat(5, 0)), 'bursts')).toMatchObject({ verdict: 'held' });
    expect(judged('warm.p50 > 1s', burstsOf(...repeat(4, 0)), 'bursts')).toMatchObject({
      verdict: 'undecided',
      sentence: expect.stringContaining('it takes 5 bursts'),
    });
    expect(judged('timeout > 0', burstsOf(0), 'bursts')).toMatchObject({ verdict: 'held' });
  });

  test.each([0, 0.5, 0.9])(
    'of a rate whose latencies follow each other (%f), a bound at the truth is seldom decided',
    (by) => {
      const random = generator(5);
      const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      let wrong = 0;
      for (let nth = 0; nth < 60; nth++) {
        let x = normal();
        const samples = Array.from({ length: 1200 }, (_, i) => {
          x = by * x + Math.sqrt(1 - by * by) * normal();
          const [at, ms] = [i * 50, 100 * Math.exp(0.3 * x)];
          return sample(ms, { intendedMs: at, sentMs: at, lastByteMs: at + ms });
        });
        const measured = run(samples, { mode: 'rate' });
        const { verdict } = judge(parseThreshold('warm.p50 > 100ms', 'run'), measured, summarise(samples, 'intended'));
        if (verdict !== 'undecided') wrong++;
      }
      // 7 %, and twice the deviation of 60 runs; of independent requests it was up to 60 %.
      expect(wrong / 60).toBeLessThanOrEqual(0.13);
    },
  );

  test('not by what it has not', () => {
    expect(() => judged('cold.p95 > 5s', upTo(20))).toThrow(
      new InputError("--fail-if 'cold.p95 > 5s' cannot be judged: the run has no cold answers."),
    );
    expect(() => judged('cold.share > 5%', upTo(20, { start: 'unknown' }))).toThrow('no answers that tell their start');
    expect(() => judged('timeout > 5%', [])).toThrow('no requests');
  });

  test('the exit code', () => {
    expect(exitCode([])).toBe(0);
    expect(exitCode(['held', 'undecided'])).toBe(2);
    expect(exitCode(['held', 'undecided', 'broken'])).toBe(1);
  });
});
