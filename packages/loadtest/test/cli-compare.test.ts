import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { compareCommand } from '../src/cli/compare.js';
import { InputError } from '../src/input-error.js';
import { comparisonReport } from '../src/report/comparison.js';
import { Recorder, type RunInfo } from '../src/run/run-file.js';
import type { Sample } from '../src/run/sample.js';
import { compare } from '../src/statistics/compare.js';
import { INFO, repeat, run, runOf, sample, samplesOf } from './report/run.js';

describe('the command', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  });

  const written = (medians: readonly number[], info: Partial<RunInfo> = {}, more: Partial<Sample> = {}) => {
    const file = join(mkdtempSync(join(tmpdir(), 'burst-ner-load-')), 'run.ndjson');
    const out = new Recorder({ ...INFO, n: 5, bursts: medians.length, ...info }, file);
    out.samples(samplesOf(medians, more));
    out.end('complete');
    return file;
  };
  const call = async (...args: string[]) => {
    let printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += text;
      return true;
    });
    await compareCommand().parseAsync(args, { from: 'user' });
    return printed;
  };
  const base = written(repeat(10, 98, 102));

  test('prints a line a metric for people, and exits with the verdict', async () => {
    const slower = written(repeat(10, 108, 112));
    const text = await call(base, slower);
    expect(text).toMatch(/^warm\.p50 +100 ms +110 ms +\+10\.0 % \[\+8\.\d %, \+11\.\d %\] +20 and 20 +worse$/m);
    expect(text).toContain('A and B were measured one after the other');
    expect(process.exitCode).toBe(1);
    expect(await call(slower, base)).toMatch(/better$/m);
    expect(process.exitCode).toBe(0);
    expect(await call(base, slower, '--fail-if', 'warm.p50 > +10%')).toMatch(
      /warm\.p50 > \+10%: undecided: (about \d+ more bursts of each would tell|too near for more to tell)$/m,
    );
    expect(process.exitCode).toBe(2);
    await call(base, slower, '--fail-if', 'warm.p50 > +20%', '--fail-if', 'all.p95 > +5%');
    expect(process.exitCode).toBe(1);
  });

  test('and an object for machines', async () => {
    const printed = JSON.parse(await call(base, written(repeat(10, 98, 102)), '--json'));
    expect(printed).toMatchObject({ a: { n: 5 }, b: { n: 5 }, paired: false, leftOut: [] });
    expect(printed.effects).toMatchObject([{ metric: 'warm.p50', change: 0, verdict: 'held' }]);
    expect(process.exitCode).toBe(0);
  });

  test('refuses in one sentence', async () => {
    await expect(call(base, '/nowhere.ndjson')).rejects.toThrow(InputError);
    await expect(call(base, written(repeat(10, 98, 102), { timeoutMs: 5 }))).rejects.toThrow(InputError);
    await expect(call(base, base, '--fail-if', 'warm.p50 > 10ms')).rejects.toThrow(InputError);
  });

  test('says that bursts alternated, and what was not compared', () => {
    const pair = (side: 'a' | 'b', more = {}) => runOf([100, 101, 102, 103, 104], { pair: { id: 'p', side }, ...more });
    const [a, b] = [pair('a'), pair('b', { bursts: 7 })];
    const text = comparisonReport(a, b, compare(a, b));
    expect(text).toContain('The bursts of A and B alternated');
    expect(text).toContain('not compared: 2 of 7 bursts of B: cut, or never sent.');
    expect(text).toMatch(/^warm\.p50 +102 ms +102 ms +0\.0 % \[0\.0 %, 0\.0 %\] +5 +not worse$/m);
  });

  test('says how much longer runs without bursts would have to be', () => {
    const rate = (side: number) => {
      const info = { mode: 'rate', n: null, bursts: 0, rate: 1, durationMs: 10_000 } as const;
      const ms = (at: number) => 100 + ((at * 3 + 5 * side) % 10) * 4;
      return run(
        Array.from({ length: 10 }, (_, i) =>
          sample(0, { intendedMs: i * 1000, sentMs: i * 1000, lastByteMs: i * 1000 + ms(i) }),
        ),
        info,
      );
    };
    const text = comparisonReport(rate(0), rate(1), compare(rate(0), rate(1)));
    expect(text).toContain('Each tenth of B’s time is compared with the same tenth of A’s.');
    expect(text).toMatch(/^warm\.p50 .+ 10 +undecided: about \d\.\d times as long would tell$/m);
  });

  test('a run that fails is told and ends with 1, and then what cannot be judged', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const failed = written(repeat(10, 100, 100), {}, { outcome: 'timeout', start: 'unknown', lastByteMs: null });
    const text = await call(base, failed, '--fail-if', 'warm.p50 > +10%', '--fail-if', 'all.p95 > +10%');
    expect(text).toMatch(/^all\.p95 +\d+ ms +timed out +20 and 20 +all\.p95 > \+10%: broken$/m);
    expect(text).toMatch(/^timeout .+ worse$/m);
    expect(said).toHaveBeenCalledWith(expect.stringContaining("--fail-if 'warm.p50 > +10%' cannot be judged"));
    expect(process.exitCode).toBe(1);
    await expect(call(base, base, '--fail-if', 'cold.p50 > +10%')).rejects.toThrow('cannot be judged');
  });
});
