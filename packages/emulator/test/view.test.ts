import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AnswerEvent, Emulator, EmulatorEvent, EnvironmentState } from '../src/index.js';
import { type Addresses, frame, summary } from '../src/view/frame.js';
import { jsonReport, lineReport } from '../src/view/report.js';
import { type Picture, Tally } from '../src/view/tally.js';

const NOW = Date.UTC(2026, 0, 5, 12, 0, 20);
const answer = (status: number, more: Partial<AnswerEvent> = {}): AnswerEvent => ({
  ...{ event: 'answer', method: 'POST', path: '/nlp/ner', status, broken: false, ms: 12, by: 'upstream' },
  ...{ consumer: 'batch-processor', route: 'nlp-ner-route', limit: undefined, remaining: undefined, resetS: undefined },
  ...more,
});
const budget = (remaining: number, resetS = 40) => ({ limit: 100, remaining, resetS });

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

const picture = (more: Partial<Picture & Addresses> = {}): Picture & Addresses => ({
  ...{ endpoint: 'http://127.0.0.1:8000/nlp/ner', key: 'the key', runtime: 'awslambdaric', upMs: 133_000, now: NOW },
  ...{ reserved: 20, environments: [], tally: tallyOf([]) },
  ...more,
});
const plain = (more: Partial<Picture & Addresses>, columns = 79, rows = 24) =>
  frame(picture(more), { columns, rows, colour: false });
const wide = (line: string) => [...stripVTControlCharacters(line)].length;

describe('a frame', () => {
  it('shows who answers, what is left, and every environment', () => {
    const tally = tallyOf([
      { event: 'cold start', environment: `aaaaaaa1${'0'.repeat(24)}`, initMs: 812.4 },
      answer(200, budget(99)),
      answer(429, { by: 'gateway', ...budget(0) }),
      answer(429, { ...budget(72) }),
      answer(200, { broken: true }),
      answer(502, { ms: 10_432 }),
    ]);
    const environments = [
      environment(1, { state: 'busy', initType: 'provisioned-concurrency', ahead: true }),
      environment(2, { ahead: true, requests: 0 }),
      environment(3, { state: 'cold', requests: 0, initMs: undefined, rssMb: undefined, ageMs: 300 }),
    ];
    expect(plain({ tally, environments, page: 'http://127.0.0.1:8001/' }).join('\n')).toBe(
      `
Burst NER emulator · awslambdaric · up 2 m 13 s

address      http://127.0.0.1:8000/nlp/ner
page         http://127.0.0.1:8001/
key          the key

budget       ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 100 left · new in 40 s · batch-processor
answers      5  429 Kong 1  429 Lambda 1  5xx 1  broken 1  last 502 in 10.4 s
last minute  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█  peak 5/s

environments ◌ 1 cold   ● 1 busy   ○ 1 warm   at most 20 at once
         id        requests  age        init       memory    initialised
● busy   aaaaaaa1  41        1 m 02 s   812 ms     126 MB    provisioned
○ warm   aaaaaaa2  0         1 m 02 s   812 ms     126 MB    proactive
◌ cold   aaaaaaa3  0         0 s                             on-demand

${time()}  cold start aaaaaaa1: init took 812 ms
${time()}  rate limited: the requests of this window are used up (429)
${time()}  an answer of 200 broke off

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

  it('shows on 80 columns that the last request went unanswered', () => {
    const lines = plain({ tally: tallyOf([answer(0, { broken: true, ms: 1203 })]) });
    expect(lines.find((line) => line.startsWith('answers'))).toMatch(/broken 1 {2}last none in 1203 ms$/);
  });

  it('says how many environments it has no room for', () => {
    const environments = Array.from({ length: 9 }, (_, at) => environment(at));
    const lines = plain({ environments }, 79, 20);
    expect(lines).toContain('and 7 more');
    expect(lines.filter((line) => line.startsWith('○ warm   a'))).toHaveLength(2);
  });

  it('lets nothing that the function says command the terminal', () => {
    const error = { errorType: 'E', errorMessage: 'a\x1b]0;title\x07\u202eb\nc' };
    const lines = plain({ tally: tallyOf([{ event: 'init failed', environment: 'e'.repeat(32), error }]) });
    expect(lines.find((line) => line.includes('init failed'))).toContain('a�]0;title��b c');
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
    const tally = tallyOf([answer(200), answer(503), answer(0, { broken: true })], () => now);
    const limited = answer(429, { by: 'gateway' });
    for (let at = 0; at < 3; at++) tally.add(limited);
    expect(tally.seconds.at(-1)).toEqual({ answers: 6, coldStarts: 0, bad: 5 });
    expect(plain({ tally }).join('\n')).toContain('(429) × 3');
    now += 59_000;
    expect(tally.seconds[0]?.answers).toBe(6);
    now += 1000;
    expect(tally.seconds.every(({ answers }) => answers === 0)).toBe(true);
    expect(summary(tally)).toBe('6 answers, 0 cold starts, 429 by Kong 3, 429 by Lambda 0, failed 1, broken 1');
  });
});

describe('what is printed without a view', () => {
  const { isTTY } = process.stdout;
  const keys = { 'batch-processor': 'a-key-of-the-batch', 'load-generator': 'a-key-of-the-load' };
  const emulator = (...generatedKeys: Emulator['generatedKeys']) =>
    ({
      endpoint: 'http://127.0.0.1:1/nlp/ner',
      functionUrl: {},
      runtime: 'awslambdaric',
      keys,
      generatedKeys,
    }) as Emulator;
  const printed = (report: typeof lineReport, terminal: boolean, of: Emulator, ...events: EmulatorEvent[]) => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    process.stdout.isTTY = terminal;
    const { ready, event } = report();
    ready(of);
    for (const each of events) event(each);
    return log.mock.calls.join('\n');
  };
  afterEach(() => {
    process.stdout.isTTY = isTTY;
    vi.restoreAllMocks();
  });

  it('has a made-up key and a line to paste on a terminal', () => {
    const lines = printed(lineReport, true, emulator('batch-processor'));
    expect(lines).toContain("curl -sS http://127.0.0.1:1/nlp/ner -H 'apikey: a-key-of-the-batch' ");
    expect(lines).not.toContain(keys['load-generator']);
  });

  it('has no key elsewhere, and says how to have one', () => {
    for (const [of, how] of [
      [emulator('batch-processor', 'load-generator'), 'set DECK_BATCH_PROCESSOR_KEY to a key of your own'],
      [emulator(), 'the key from DECK_BATCH_PROCESSOR_KEY'],
    ] as const) {
      const lines = printed(lineReport, false, of);
      expect(lines).toContain(how);
      expect(lines).toContain('-H "apikey: $DECK_BATCH_PROCESSOR_KEY"');
      expect(lines).not.toContain('a-key');
    }
    expect(printed(lineReport, true, emulator())).not.toContain('a-key');
    for (const terminal of [true, false]) {
      expect(printed(jsonReport, terminal, emulator('batch-processor'))).not.toContain('a-key');
    }
  });

  it('lets nothing that the function says command the terminal', () => {
    const error = { errorType: 'E', errorMessage: 'a\x1b]0;title\x07b' };
    const failed = { event: 'init failed', environment: 'e'.repeat(32), error } as const;
    expect(printed(lineReport, true, emulator(), failed)).toContain('init failed eeeeeeee: a\ufffd]0;title\ufffdb');
  });

  it('tells of answers that broke off', () => {
    const lines = printed(
      lineReport,
      false,
      emulator(),
      answer(200),
      answer(200, { broken: true }),
      answer(0, { broken: true }),
    );
    expect(lines.split('\n').slice(-2)).toEqual(['an answer of 200 broke off', 'a request went unanswered']);
  });
});

/** Now, as the view shows it where this test runs. */
function time(): string {
  return new Date(NOW).toTimeString().slice(0, 8);
}
