import { expect, test } from 'vitest';
import { FORMATS } from '../../src/report/export.js';
import { run, sample } from './run.js';

const lost = sample(0, { outcome: 'timeout', lastByteMs: null, start: 'unknown' });
const RUN = run(
  [sample(20), sample(40, { instance: 'a,"b"' }), sample(3000, { start: 'cold', initType: '=cmd()' }), lost],
  { labels: { memory: '3072' } },
);
const as = (format: string) => FORMATS[format]?.(RUN) ?? '';

test('CSV: a line a request, quoted, and no formula', () => {
  const [head = '', ...lines] = as('csv').trimEnd().split('\r\n');
  expect(lines).toHaveLength(4);
  const names = head.split(',');
  expect(names).toEqual(expect.arrayContaining(['burst', 'outcome', 'start', 'sentMs', 'lastByteMs', 'characters']));
  expect(lines[0]?.split(',')[names.indexOf('lastByteMs')]).toBe('21');
  expect(lines[1]).toContain('"a,""b"""');
  expect(lines[2]).toContain("'=cmd()");
  expect(lines[3]?.split(',')[names.indexOf('lastByteMs')]).toBe('');
  expect(names, 'all that is kept').toEqual(Object.keys([...RUN.samples][0] ?? {}));
  expect(FORMATS['csv']?.(run([])), 'of a run without an answer').toBe(`${head}\r\n`);
});

test('Prometheus: cumulative buckets by start, and every outcome', () => {
  const text = as('prometheus');
  expect(text).toContain('burst_ner_load_requests_total{outcome="timeout"} 1\n');
  expect(text).toContain('burst_ner_load_latency_seconds_bucket{start="warm",le="0.025"} 1\n');
  expect(text).toContain('burst_ner_load_latency_seconds_bucket{start="warm",le="+Inf"} 2\n');
  expect(text).toContain('burst_ner_load_latency_seconds_count{start="cold"} 1\n');
  expect(text).toMatch(/_sum\{start="warm"\} 0\.06\d*\n/);
});

test('HdrHistogram: percentiles up to the greatest', () => {
  const rows = as('hdrplot')
    .split('\n')
    .filter((line) => /^ *\d/.test(line));
  const values = rows.map((row) => row.trim().split(/ +/).map(Number));
  expect(values[0]).toEqual([20, 0, 1, 1]);
  expect(values.at(-1)?.slice(0, 3)).toEqual([3000, 1, 3]);
  expect(rows.at(-1)).toMatch(/inf$/);
  const shares = values.map(([, share]) => share ?? 0);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(as('hdrplot')).toContain('Total count    =            3]');
});

test('OpenTelemetry: bucket counts add up, and labels are attributes', () => {
  const [{ resource, scopeMetrics }] = JSON.parse(as('otlp-json')).resourceMetrics;
  expect(resource.attributes).toContainEqual({ key: 'label.memory', value: { stringValue: '3072' } });
  const [requests, latency] = scopeMetrics[0].metrics;
  expect(requests.sum.dataPoints.reduce((sum: number, { asInt }: { asInt: string }) => sum + Number(asInt), 0)).toBe(4);
  for (const { bucketCounts, explicitBounds, count } of latency.histogram.dataPoints) {
    expect(bucketCounts).toHaveLength(explicitBounds.length + 1);
    expect(bucketCounts.map(Number).reduce((sum: number, n: number) => sum + n)).toBe(Number(count));
  }
  expect(latency.histogram.dataPoints[0].timeUnixNano).toMatch(/^\d{19}$/);
});
