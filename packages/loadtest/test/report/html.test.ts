import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { jsonReport } from '../../src/cli/present.js';
import type { Plan } from '../../src/plan/plan.js';
import { htmlReport } from '../../src/report/html.js';
import type { Run } from '../../src/run/run-file.js';
import { summarise } from '../../src/statistics/summary.js';
import { bursts, INFO, PLAN, run, sample } from './run.js';

/** What is used of an element; TypeScript's own library of the DOM would be everywhere. */
interface Found {
  textContent: string;
  children: Iterable<Found>;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Found | null;
  querySelectorAll(selector: string): Iterable<Found> & { length: number };
}

function page(measured: Run, plan?: Plan) {
  const from = measured.info.mode === 'rate' ? 'intended' : 'sent';
  const html = htmlReport(measured, summarise(measured.samples, from, measured.bursts), plan);
  const document: Found = parseHTML(html).document;
  const text = (selector: string) => document.querySelector(selector)?.textContent.replaceAll('\u00a0', ' ');
  const section = (heading: string) =>
    [...document.querySelectorAll('section')].find((found) => found.querySelector('h2')?.textContent === heading);
  const rows = (heading: string) =>
    Array.from(section(heading)?.querySelectorAll('tr') ?? [], (row) =>
      Array.from(row.children, (cell) => cell.textContent.trim()),
    );
  return { html, document, text, section, rows };
}
const marks = (section: Found | undefined, colour: string) =>
  section?.querySelectorAll(`svg.wide [stroke="var(--${colour})"]`).length;
const colours = (figure: Found | null | undefined, of: 'fill' | 'stroke') =>
  Array.from(figure?.querySelectorAll(`path[${of}^="var(--"]`) ?? [], (path) => path.getAttribute(of)).sort();

test('the verdict stands first; every figure of the table is beside its interval or what it takes', () => {
  const { text, rows } = page(run(bursts(8, 20, { cold: 12 }), { bursts: 8, everyMs: 61_000 }));
  expect(text('title')).toMatch(/^cold 1\.\d\d s, warm 2\d\.\d ms · 8 bursts of 20 every 61 s$/);
  expect(text('h1')).toMatch(
    /^160 of 160 requests succeeded: 96 cold \(median .+\), 64 warm \(median .+ times as long\.$/,
  );
  const table = rows('Percentiles');
  expect(table[0]).toEqual(['', 'cold', 'warm', 'all']);
  expect(table[1]).toEqual(['n', '96', '64', '160']);
  expect(table.find(([name]) => name === 'p95')?.[2]).toBe('need n ≥ 72');
  expect(table.find(([name]) => name === 'p50')?.[1]).toMatch(/^1\.\d\d s1\.\d\d – 1\.\d\d s$/);
  expect(table.find(([name]) => name === 'p95')?.[1], 'of eight bursts').toMatch(/^1\.\d\d sneed more: \d\d of 72$/);
});

test('the sum is shown as it adds up', () => {
  const { section } = page(run(bursts(1, 120, { cold: 30, refused: 15 }), { n: 120 }));
  const accounting = section('Accounting')?.textContent;
  expect(accounting).toContain('sent 120 = 105 ok + 15 kong-429');
  expect(accounting).toContain('answered HTTP 200 × 105, HTTP 429 × 15');
  expect(accounting).toContain('admitted by the gateway, minute by minute: 105 of 100');
  expect(section('Read with care')?.textContent).toContain('over-admission: the gateway let 105 through');
});

test('every request of a burst is a line of its class; of many, some', () => {
  const few = page(run(bursts(2, 20, { cold: 12, refused: 2 }), { bursts: 2, everyMs: 61_000 })).section(
    'Request by request',
  );
  expect([marks(few, 'cold'), marks(few, 'warm'), marks(few, 'refused')]).toEqual([24, 12, 4]);
  expect(few?.textContent).not.toContain('Shown');
  const many = page(run(bursts(100, 20, { cold: 12 }), { bursts: 100, everyMs: 61_000 })).section('Request by request');
  expect([marks(many, 'cold'), marks(many, 'warm')]).toEqual([96, 64]);
  expect(many?.textContent).toContain('Shown: 8 of 100 bursts.');
  const large = page(run(bursts(1, 1000, { cold: 250 }), { n: 1000 })).section('Request by request');
  expect(large?.textContent).toContain('Shown: one request of 7.');
});

test('a time-out does not squeeze the answers: its line ends at the edge', () => {
  const late = sample(0, { outcome: 'timeout', lastByteMs: null, start: 'unknown' });
  const timeline = page(run([sample(20), sample(30), late])).section('Request by request');
  const ends = Array.from(timeline?.querySelectorAll('svg.wide line[stroke^="var(--"]') ?? [], (line) =>
    Number(line.getAttribute('x2')),
  );
  expect(marks(timeline, 'failed')).toBe(1);
  // From 56, the left margin, to 700.
  expect(ends.map(Math.round)).toEqual([484, 687, 700]);
  expect(timeline?.textContent).toContain('What failed after the last answer ends at the edge.');
});

test('the share of answers is drawn with its band, of each class, from six answers', () => {
  const { section } = page(
    run([
      // Each a burst of its own, and so independent of the others.
      ...bursts(1, 40, { cold: 20 }).map((one, burst) => ({ ...one, burst })),
      ...[1, 2, 3].map((ms, burst) => sample(ms, { start: 'ahead', burst })),
    ]),
  );
  const figure = section('How many answers took how long')?.querySelector('svg.wide');
  const dots = ['var(--ahead)', 'var(--cold)', 'var(--warm)'];
  expect(colours(figure, 'fill'), 'bands, and a dot at each median').toEqual(
    [...dots, 'var(--cold)', 'var(--warm)'].sort(),
  );
  expect(section('How many answers took how long')?.textContent).toContain('whole curve lies in the band');
  const one = page(run(bursts(1, 40, { cold: 20 }))).section('How many answers took how long');
  expect(one?.textContent, 'of one burst there is no band').not.toContain('band');
  expect(colours(figure, 'stroke'), 'curves').toEqual(['var(--ahead)', 'var(--cold)', 'var(--warm)']);
});

test('where the time went: medians of what headers and the REPORT line tell, initialisation of the cold alone', () => {
  const init = { initMs: 640, loadMs: 410, nerMs: 6, kongMs: 2 };
  const { rows } = page(
    run([
      ...[1100, 1200, 1300].map((ms) => sample(ms, { start: 'cold', ...init, reportInitMs: 900 })),
      ...[20, 30, 40].map((ms) => sample(ms, init)),
    ]),
  );
  expect(rows('Where the time went')).toEqual([
    ['', 'cold', 'warm'],
    ['Kong', '2.0 ms', '2.0 ms'],
    ['runtime start', '260 ms', '–'],
    ['init', '230 ms', '–'],
    ['model load', '410 ms', '–'],
    ['NER', '6.0 ms', '6.0 ms'],
    ['rest', '292 ms', '22.0 ms'],
    ['whole answer', '1.20 s', '30.0 ms'],
  ]);
});

test('what if: each setting is a row, and a point for each way to pay for it; the measured one is ringed', () => {
  const { section, rows } = page(run(bursts(1, 20, { cold: 12 })), PLAN);
  const [head, measured, ...others] = rows('What if');
  expect(head?.slice(0, 5)).toEqual(['n', 'provisioned', 'cold', 'p50', 'p95']);
  expect(measured).toEqual(
    expect.arrayContaining(['20', '0', '100 %', '1.12 s? – ?', '1.30 s1.28 – 1.33 s', 'measured']),
  );
  expect(others.slice(0, 2).map((row) => row.slice(0, 5))).toEqual([
    ['20', '0', '100 %', '1.12 s? – ?', '1.30 s1.28 – 1.33 s'],
    ['20', '20', '0 %', '21.0 ms? – ?', '28.0 ms? – ?'],
  ]);
  expect(others, 'dollars').toContainEqual(['20', '20', '$0.44', '$350.00', '$117.00', '$548.00', '19']);
  const figure = section('What if')?.querySelector('svg.wide');
  expect(figure?.textContent).toContain('on demand');
  expect(figure?.textContent).toContain('P 20');
  expect(marks(section('What if'), 'refused')).toBe(1);
  expect(section('What if')?.querySelectorAll('svg.wide').length, 'and the memory sizes').toBe(2);
  expect(section('What if')?.textContent).toContain('Prices of us-east-1, 2026-11-23.');
  expect(page(run(bursts(1, 20, { cold: 12 }))).section('What if')).toBeUndefined();
});

test('a run without bursts is a cloud over its time; one in which nothing succeeded is a page too', () => {
  const rate = bursts(1, 3000, { cold: 3 }).map((found, i) => ({
    ...found,
    sentMs: i,
    intendedMs: i,
    lastByteMs: i + 20,
  }));
  const course = page(run(rate, { mode: 'rate', rate: 30, durationMs: 99_000, n: null })).section(
    'In the course of the run',
  );
  expect(course?.textContent).toMatch(/Shown: (2[4-9]\d|300) of 3,000, the 60 slowest among them\./);
  const none = page(run([sample(1, { outcome: '5xx', status: 502, start: 'unknown' })]));
  expect(none.text('h1')).toBe('None of 1 requests succeeded (HTTP 502 × 1).');
  expect(none.section('Percentiles')).toBeUndefined();
  expect(page(run([])).text('h1')).toBe('None of 0 requests succeeded.');
});

test('what others wrote is text and nothing else', () => {
  const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;`;
  const lost = { outcome: 'connection-error', error: evil, start: 'unknown', lastByteMs: null } as const;
  const measured = run([sample(9, { instance: evil, initType: evil }), sample(1, lost)], {
    target: `http://127.0.0.1/${evil}`,
    text: { ...INFO.text, sha256: evil },
  });
  measured.info.startedAt = evil;
  const { document, html } = page(measured);
  expect(document.querySelectorAll('script, img, iframe, link, object').length).toBe(0);
  expect(html).not.toMatch(/<[^>]+\son\w+=/);
  expect(document.querySelector('.asked dd')?.textContent).toBe(`http://127.0.0.1/${evil}`);
});

test('100,000 samples make a page of less than 150 KB', () => {
  const burst = bursts(1, 100, { cold: 30 });
  const samples = Array.from({ length: 1000 }, (_, nth) => burst.map((found) => ({ ...found, burst: nth }))).flat();
  const measured = run(samples, { n: 100, bursts: 1000, everyMs: 61_000 });
  const html = htmlReport(measured, summarise(measured.samples, 'sent', measured.bursts), PLAN);
  expect(Buffer.byteLength(html)).toBeLessThan(150_000);
});

test('the JSON has the run, the summary and the caveats', () => {
  const measured = run(bursts(1, 20, { cold: 12 }));
  const report = JSON.parse(JSON.stringify(jsonReport(measured, summarise(measured.samples, 'sent', measured.bursts))));
  expect(report).toMatchObject({
    run: { target: 'http://127.0.0.1:8000/nlp/ner', n: 20 },
    ...{ end: 'complete', sent: 20, outcomes: { ok: 20 }, latency: { cold: { n: 12 }, warm: { n: 8 } } },
    verdict: expect.stringContaining('20 of 20 requests succeeded'),
  });
});
