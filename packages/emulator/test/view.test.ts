import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent, EmulatorEvent, EnvironmentState } from '../src/index.js';
import { Tally } from '../src/tally.js';
import { frame, type Picture, summary } from '../src/view.js';

const NOW = Date.UTC(2026, 0, 5, 12, 0, 20);
const answer = (status: number, more: Partial<AnswerEvent> = {}): AnswerEvent => ({
  ...{ event: 'answer', method: 'POST', status, ms: 12, by: 'upstream', consumer: 'batch-processor' },
  ...more,
});
const budget = (remaining: number, resetS = 40) => ({ budget: { limit: 100, remaining, resetS } });

function tallyOf(events: EmulatorEvent[], now = () => NOW): Tally {
  const tally = new Tally(now);
  for (const event of events) tally.add(event);
  return tally;
}

const environment = (at: number, more: Partial<EnvironmentState> = {}): EnvironmentState => ({
  ...{ id: `${at}`.padStart(8, 'a').padEnd(32, '0'), state: 'warm', initType: 'on-demand', ahead: false },
  ...{ ageMs: 62_000, requests: 41, initMs: 812, rssMb: 126 },
  ...more,
});

const picture = (more: Partial<Picture> = {}): Picture => ({
  ...{ endpoint: 'http://127.0.0.1:8000/nlp/ner', key: 'the key', runtime: 'awslambdaric', upMs: 133_000, now: NOW },
  ...{ reserved: 20, environments: [], tally: tallyOf([]) },
  ...more,
});
const plain = (more: Partial<Picture>, columns = 79, rows = 24) =>
  frame(picture(more), { columns, rows, colour: false });
const wide = (line: string) => [...stripVTControlCharacters(line)].length;

describe('a frame', () => {
  it('shows who answers, what is left, and every environment', () => {
    const tally = tallyOf([
      { event: 'cold start', environment: `aaaaaaa1${'0'.repeat(24)}`, initMs: 812.4 },
      answer(200, budget(99)),
      answer(429, { by: 'gateway', ...budget(0) }),
      answer(429, { ...budget(72) }),
      answer(502, { ms: 10_432 }),
    ]);
    const environments = [
      environment(1, { state: 'busy', initType: 'provisioned-concurrency', ahead: true }),
      environment(2, { ahead: true, requests: 0 }),
      environment(3, { state: 'cold', requests: 0, initMs: undefined, rssMb: undefined, ageMs: 300 }),
    ];
    expect(plain({ tally, environments }).join('\n')).toBe(
      `
Burst NER emulator                                   awslambdaric · up 2 m 13 s

address      http://127.0.0.1:8000/nlp/ner
key          the key

budget       ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 100 left · new in 40 s · batch-processor
answers      4   429 Kong 1   429 Lambda 1   5xx 1   last 502 in 10.4 s
last minute  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█  peak 4/s

environments ◌ 1 cold   ● 1 busy   ○ 1 warm                  at most 20 at once
         id        requests  age        init       memory    initialised
● busy   aaaaaaa1  41        1 m 02 s   812 ms     126 MB    provisioned
○ warm   aaaaaaa2  0         1 m 02 s   812 ms     126 MB    proactive
◌ cold   aaaaaaa3  0         0 s                             on-demand

${time()}  cold start aaaaaaa1: init took 812 ms
${time()}  rate limited: the requests of this window are used up (429)

Ctrl-C stops it`.slice(1),
    );
  });

  it.each([
    [80, 24],
    [60, 16],
    [40, 12],
    [20, 5],
    [1, 1],
    [300, 100],
  ])('fits %i × %i, whatever there is', (columns, rows) => {
    const news = Array.from({ length: 60 }, (_, at) => ({
      ...({ event: 'init failed', environment: `${at}`.padEnd(32, 'b') } as const),
      error: { errorType: 'E', errorMessage: 'x'.repeat(500) },
    }));
    const answers = Array.from({ length: 2000 }, () => answer(200, { consumer: 'c'.repeat(99), ...budget(7) }));
    const environments = Array.from({ length: 50 }, (_, at) => environment(at, { requests: 10 ** 9, ageMs: 10 ** 9 }));
    for (const colour of [false, true]) {
      const lines = frame(picture({ environments, tally: tallyOf([...news, ...answers]) }), { columns, rows, colour });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(...lines.map(wide))).toBeLessThanOrEqual(columns);
      expect(lines.join('').includes('\x1b[')).toBe(colour);
    }
  });

  it('says how many environments it has no room for', () => {
    const environments = Array.from({ length: 9 }, (_, at) => environment(at));
    const lines = plain({ environments }, 79, 20);
    expect(lines).toContain('and 7 more');
    expect(lines.filter((line) => line.includes('warm   a'))).toHaveLength(2);
  });

  it('lets nothing that the function says command the terminal', () => {
    const error = { errorType: 'E', errorMessage: 'a\x1b]0;title\x07\u202eb\nc' };
    const lines = plain({ tally: tallyOf([{ event: 'init failed', environment: 'e'.repeat(32), error }]) });
    expect(lines.find((line) => line.includes('init failed'))).toContain('a�]0;title��b�c');
  });
});

describe('the tally', () => {
  it('counts what a window has left by its least, and begins anew after it', () => {
    let now = NOW;
    const tally = tallyOf([answer(200, budget(40)), answer(200, budget(42, 39))], () => now);
    expect(tally.budget).toMatchObject({ remaining: 40, resetsAt: NOW + 39_000 });
    tally.add(answer(200, { method: 'GET', ...budget(3) }));
    expect(tally.budget?.remaining).toBe(40);
    now += 40_000;
    expect(plain({ tally, now }).find((line) => line.startsWith('budget'))).toContain('100 of 100 left · batch');
    tally.add(answer(200, budget(99, 60)));
    expect(tally.budget).toMatchObject({ remaining: 99, resetsAt: now + 60_000 });
  });

  it('shows a second for 60 seconds, and the same news once', () => {
    let now = NOW;
    const tally = tallyOf([answer(200), answer(503)], () => now);
    const limited = answer(429, { by: 'gateway' });
    for (let at = 0; at < 3; at++) tally.add(limited);
    expect(tally.seconds.at(-1)).toEqual({ answers: 5, coldStarts: 0, refused: 4 });
    expect(plain({ tally }).join('\n')).toContain('(429) × 3');
    now += 59_000;
    expect(tally.seconds[0]?.answers).toBe(5);
    now += 1000;
    expect(tally.seconds.every(({ answers }) => answers === 0)).toBe(true);
    expect(summary(tally)).toBe('5 answers, 0 cold starts, 429 by Kong 3, 429 by Lambda 0, failed 1');
  });
});

/** Now, as the view shows it where this test runs. */
function time(): string {
  return new Date(NOW).toTimeString().slice(0, 8);
}
