import { describe, expect, test } from 'vitest';
import { InputError } from '../src/input-error.js';
import type { Run, RunInfo } from '../src/run/run-file.js';
import type { Sample } from '../src/run/sample.js';
import { type Kept, Samples } from '../src/run/samples.js';
import { compare } from '../src/statistics/compare.js';
import { parseThreshold } from '../src/statistics/threshold.js';
import { INFO, repeat, run, runOf, sample, samplesOf } from './report/run.js';

const SIDE = { a: { pair: { id: 'p', side: 'a' } }, b: { pair: { id: 'p', side: 'b' } } } as const;
const LOST = { firstByteMs: null, lastByteMs: null, status: null, start: 'unknown' } as const;
const lost = (burst: number, outcome: 'timeout' | 'cut') => sample(0, { ...LOST, burst, outcome });

const asked = (text: string) => [parseThreshold(text, 'compare')];

describe('the interval', () => {
  // Student's own data of 1908, extra hours of sleep by two drugs, and the intervals that R's t.test prints for them.
  const a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2].map(Math.exp);
  const b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4].map(Math.exp);

  test("of runs whose bursts alternated is that of Student's paired test", () => {
    const { paired, effects } = compare(runOf(a, SIDE.a), runOf(b, SIDE.b));
    expect(paired).toBe(true);
    expect(effects).toMatchObject([{ metric: 'warm.p50', clusters: { a: 10, b: 10 }, threshold: null }]);
    expect(Math.log1p(effects[0]?.change ?? 0)).toBeCloseTo(1.58, 6);
    expect(Math.log1p(effects[0]?.lower ?? 0)).toBeCloseTo(0.7001142, 4);
    expect(Math.log1p(effects[0]?.upper ?? 0)).toBeCloseTo(2.4598858, 4);
    expect(Math.log(effects[0]?.a ?? 0)).toBeCloseTo(0.75, 6);
    expect(Math.log(effects[0]?.b ?? 0)).toBeCloseTo(2.33, 6);
  });

  test.each([
    ['of neither', {}, {}],
    ['of other pairs', SIDE.a, { pair: { id: 'q', side: 'b' } }],
    ['of the same side', SIDE.a, SIDE.a],
  ] as const)("else that of Welch's: runs %s", (_, infoA, infoB) => {
    const { paired, effects } = compare(runOf(a, infoA), runOf(b, infoB));
    expect(paired).toBe(false);
    expect(Math.log1p(effects[0]?.lower ?? 0)).toBeCloseTo(-0.2054832, 4);
    expect(Math.log1p(effects[0]?.upper ?? 0)).toBeCloseTo(3.3654832, 4);
  });

  test('pairs are of the same burst, where one has none or comes later in the file', () => {
    const drift = [100, 200, 400, 800, 1600, 3200];
    const holed = samplesOf(drift.map((ms) => ms * 1.5))
      .filter(({ burst }) => burst !== 2)
      .reverse();
    const { effects, leftOut } = compare(runOf(drift, SIDE.a), run(holed, { n: 5, bursts: 6, ...SIDE.b }));
    expect(effects).toMatchObject([{ clusters: { a: 5, b: 5 }, verdict: 'broken' }]);
    expect(effects[0]?.lower).toBeCloseTo(0.5);
    expect(effects[0]?.upper).toBeCloseTo(0.5);
    expect(leftOut).toEqual(['1 of 6 bursts of B: cut, or never sent']);
  });
});

describe('the verdict', () => {
  const a = runOf(repeat(10, 98, 102));
  test.each([
    [1.05, 'broken'],
    [0.9, 'held'],
    [1.005, 'held'],
  ])('without a threshold, B is %d times A: %s', (times, verdict) => {
    const { effects } = compare(a, runOf(repeat(10, 98 * times, 102 * times)));
    expect(effects).toMatchObject([{ metric: 'warm.p50', verdict, more: null }]);
  });

  test.each([
    ['warm.p50 > +10%', 'held'],
    ['warm.p50 > +5%', 'undecided'],
    ['warm.p50 > +3%', 'broken'],
    ['warm.max > +3%', 'broken'],
    ['all.p99 > +10%', 'held'],
    ['cold.share > +1%', 'held'],
  ])('with the threshold %s, B is 1.05 times A: %s', (text, verdict) => {
    const { effects } = compare(a, runOf(repeat(10, 98 * 1.05, 102 * 1.05)), asked(text));
    expect(effects).toMatchObject([{ threshold: text, verdict }]);
  });

  test.each([SIDE, { a: {}, b: {} }])(
    'undecided says how many more bursts would tell: so many do, one less does not',
    (side) => {
      const [some, other] = [
        [80, 100, 120, 90, 115],
        [85, 90, 130, 110, 100],
      ];
      const times = (count: number) =>
        compare(runOf(repeat(count, ...some), side.a), runOf(repeat(count, ...other), side.b));
      const [effect] = times(1).effects;
      expect(effect?.verdict).toBe('undecided');
      const more = effect?.more ?? 0;
      expect(more).toBeGreaterThan(5);
      expect(times(Math.ceil((5 + more) / 5)).effects[0]?.verdict).toBe('held');
      expect(times(Math.floor((5 + more) / 5) - 2).effects[0]?.verdict).toBe('undecided');
      const same = compare(runOf(some), runOf(some.toReversed()), asked('warm.p50 > +0%'));
      expect(same.effects, 'the bound is the estimate').toMatchObject([{ verdict: 'undecided', more: null }]);
    },
  );

  test('failures count, and not the limit of the gateway', () => {
    const refused = (burst: number) => sample(1, { burst, outcome: 'kong-429', status: 429, start: 'unknown' });
    const failing = (each: (burst: number) => Sample) =>
      run([...samplesOf(repeat(5, 98, 102)), ...Array.from({ length: 10 }, (_, burst) => each(burst))], {
        n: 6,
        bursts: 10,
      });
    const well = failing((burst) => sample(100, { burst }));
    expect(
      compare(
        well,
        failing((burst) => lost(burst, 'timeout')),
      ).effects,
    ).toMatchObject([
      { metric: 'warm.p50', verdict: 'held' },
      {
        metric: 'timeout',
        unit: 'share',
        a: 0,
        b: expect.closeTo(1 / 6),
        change: expect.closeTo(1 / 6),
        verdict: 'broken',
      },
    ]);
    expect(compare(well, failing(refused)).effects).toMatchObject([{ metric: 'warm.p50' }]);
    expect(compare(well, failing(refused), asked('kong-429 > +1%')).effects).toMatchObject([{ verdict: 'broken' }]);
  });

  test('cold and warm are apart, and what is missing is said', () => {
    const both = (bursts: number, cold: number) =>
      run(
        [...samplesOf(repeat(bursts, 100)), ...samplesOf(repeat(cold, 900), { start: 'cold' })].map((one) => one),
        {
          ...{ n: 10, bursts },
        },
      );
    expect(compare(both(6, 6), both(6, 6)).effects.map(({ metric }) => metric)).toEqual(['cold.p50', 'warm.p50']);
    const few = [
      ...samplesOf(repeat(6, 100)),
      ...samplesOf([900, 900], { start: 'cold' }),
      ...samplesOf(repeat(4, 100)).map((one) => ({ ...one, burst: one.burst + 2 })),
    ];
    const { effects, leftOut } = compare(both(6, 6), run(few, { n: 10, bursts: 6 }));
    expect(effects.map(({ metric }) => metric)).toEqual(['warm.p50']);
    expect(leftOut).toEqual(['cold.p50: 6 and 2 bursts have cold.p50, and it takes 5']);
  });
});

/** A minute without bursts, a request every 50 ms. */
const steady = (mode: 'rate' | 'sustained', ms: (at: number) => number, info: Partial<RunInfo> = {}) =>
  run(
    Array.from({ length: 1200 }, (_, i) =>
      sample(ms(i), { intendedMs: i * 50, sentMs: i * 50, lastByteMs: i * 50 + ms(i) }),
    ),
    {
      ...{ mode, n: mode === 'rate' ? null : 4, bursts: 0, everyMs: null, durationMs: 60_000 },
      ...{ rate: mode === 'rate' ? 20 : null, ...info },
    },
  );

describe('runs without bursts', () => {
  /** It slows down on its way, twice as much as what is looked for, and differs from request to request. */
  const wave = (i: number) => (100 + i / 60) * (1 + ((i * 7919) % 101) / 300);

  test.each(['rate', 'sustained'] as const)('are compared tenth by tenth: %s', (mode) => {
    const found = compare(
      steady(mode, wave),
      steady(mode, (i) => 1.1 * wave(i)),
    );
    expect(found).toMatchObject({ of: 'blocks', paired: true, leftOut: [] });
    expect(found.effects).toMatchObject([{ metric: 'warm.p50', clusters: { a: 10, b: 10 }, verdict: 'broken' }]);
    expect(found.effects[0]?.change).toBeCloseTo(0.1, 3);
    const same = compare(
      steady(mode, wave),
      steady(mode, (i) => wave(1200 - i) - (1200 - 2 * i) / 60),
    );
    expect(same.effects).toMatchObject([{ verdict: 'held' }]);
  });

  test('what is under way at the end is no failure; cold starts of the first tenth are told to be too few', () => {
    const cold = (b: number) => {
      const one = steady('rate', (i) => (i < 5 ? 900 : 100 * b));
      const samples = [...one.samples].map((each, i): Kept => {
        if (i < 5) return { ...each, start: 'cold' };
        return i < 1198 ? each : { ...each, outcome: 'cut', start: 'unknown', lastByteMs: null };
      });
      return { ...one, samples: Samples.from(samples) };
    };
    const { effects, leftOut } = compare(cold(1), cold(1.2));
    expect(effects.map(({ metric, verdict }) => [metric, verdict])).toEqual([['warm.p50', 'broken']]);
    expect(leftOut).toEqual(['cold.p50: 1 pairs of blocks have cold.p50, and it takes 5']);
  });

  test('are refused where they differ in what was sent when, or were stopped', () => {
    const a = steady('rate', () => 100);
    const refused = (b: Run) => expect(() => compare(a, b));
    refused(steady('rate', () => 100, { rate: 30 })).toThrow(
      'differ in what was sent when (20 requests a second for 60 s; 30 requests a second for 60 s)',
    );
    refused(steady('rate', () => 100, { durationMs: 30_000 })).toThrow('20 requests a second for 30 s)');
    refused({ ...a, end: 'interrupted' }).toThrow('The second run was stopped before its time was over; run it again.');
    refused(run([sample(1)], a.info)).toThrow('has 1 blocks of time, and it takes 5 to compare; run for longer.');
  });
});

describe('runs that cannot be compared: one sentence', () => {
  const ok = repeat(6, 100);
  test.each<[string, Run, string]>([
    ['n', runOf(ok, { n: 4 }), 'The runs differ in -n (5 and 4);'],
    [
      'text',
      runOf(ok, { text: { ...INFO.text, characters: 7, sha256: 'x' } }),
      'differ in text (of 92 and 7 characters); run both alike',
    ],
    ['time-out', runOf(ok, { timeoutMs: 1 }), 'differ in --timeout (60000 and 1 ms)'],
    [
      'mode',
      steady('rate', () => 100),
      'The runs are of different kinds (6 bursts of 5; 20 requests a second for 60 s); run both alike',
    ],
    [
      'few bursts',
      runOf(repeat(4, 100)),
      'The second run has 4 whole bursts, and it takes 5 to compare; run with --bursts 20.',
    ],
    [
      'cut bursts',
      run(
        [
          ...samplesOf(repeat(4, 100)),
          ...[4, 5].flatMap((burst) => Array.from({ length: 5 }, () => lost(burst, 'cut'))),
        ],
        { n: 5, bursts: 6 },
      ),
      'has 4 whole bursts',
    ],
    [
      'no start in common',
      run(samplesOf(ok, { start: 'cold' }), { n: 5, bursts: 6 }),
      'no start in common (cold.p50: 0 and 6 bursts have cold.p50, and it takes 5; warm.p50: 6 and 0',
    ],
    [
      'unknown starts',
      run(samplesOf(ok, { start: 'unknown' }), { n: 5, bursts: 6 }),
      "--fail-if 'all.p50 > +10%' compares whatever was answered",
    ],
  ])('%s', (_, b, sentence) => {
    expect(() => compare(runOf(ok), b)).toThrow(InputError);
    expect(() => compare(runOf(ok), b)).toThrow(sentence);
  });

  test('and thresholds that cannot be judged, beside those that can', () => {
    const { effects, unjudged } = compare(runOf(ok), runOf(ok), [
      ...asked('cold.p50 > +10%'),
      ...asked('all.p50 > +9%'),
    ]);
    expect(unjudged).toEqual([
      "--fail-if 'cold.p50 > +10%' cannot be judged: 0 and 0 bursts have cold.p50, and it takes 5.",
    ]);
    expect(effects).toMatchObject([{ threshold: 'all.p50 > +9%', verdict: 'held' }]);
  });
});

describe('a run that fails is worse, whatever is asked', () => {
  const well = runOf(repeat(6, 100));
  /** So many of the five requests of each burst time out, in so many of six bursts. */
  const late = (each: number, bursts: number) =>
    run(
      Array.from({ length: 6 }, (_, burst) =>
        samplesOf([100]).map((one, i) => (i < each && burst < bursts ? lost(burst, 'timeout') : { ...one, burst })),
      ).flat(),
      { n: 5, bursts: 6 },
    );

  test('all of it: without thresholds, and with one that nothing is left for', () => {
    expect(compare(well, late(5, 6)).effects).toMatchObject([{ metric: 'timeout', verdict: 'broken' }]);
    const failed = run(samplesOf(repeat(6, 100), { outcome: '5xx', status: 503, start: 'unknown' }), {
      n: 5,
      bursts: 6,
    });
    const { effects, unjudged } = compare(well, failed, asked('warm.p50 > +10%'));
    expect(effects).toMatchObject([{ metric: '5xx', threshold: null, verdict: 'broken' }]);
    expect(unjudged).toHaveLength(1);
  });

  test('half of it, while the rest is as fast as before', () => {
    expect(compare(well, late(2, 6), asked('warm.p50 > +80%')).effects).toMatchObject([
      { metric: 'warm.p50' },
      { metric: 'timeout', threshold: null, verdict: 'broken' },
    ]);
    expect(compare(well, late(2, 6), asked('timeout > +90%')).effects).toMatchObject([{ verdict: 'held' }]);
  });

  test.each([
    [6, 'broken'],
    [5, 'broken'],
    [4, 'undecided'],
  ] as const)('a percentile among the time-outs in %i bursts: %s', (bursts, verdict) => {
    expect(compare(well, late(1, bursts), asked('all.max > +10%')).effects[0]).toMatchObject({ verdict });
    const better = compare(late(1, bursts), well, asked('all.max > +10%')).effects[0];
    expect(better).toMatchObject({ verdict: verdict === 'broken' ? 'held' : verdict, more: null });
    const both = compare(late(1, 6), late(1, bursts), asked('all.max > +10%')).effects[0];
    expect(both).toMatchObject({ verdict: 'undecided' });
  });
});
