import type { Run } from '../run/run-file.js';
import { STARTS } from '../run/sample.js';
import { KEPT } from '../run/samples.js';
import type { Pool } from '../statistics/pool.js';
import { summaryOf } from '../statistics/summary.js';

/** Upper ends of a histogram's buckets, seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const NAME = 'burst_ner_load';

export const FORMATS: Record<string, (run: Run) => string> = { csv, prometheus, hdrplot, 'otlp-json': otlp };

/** A line a request, with what is kept of it; times in ms. */
function csv({ samples }: Run): string {
  const lines = [KEPT.join(',')];
  for (const sample of samples) lines.push(KEPT.map((name) => cell(sample[name])).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

/** Quoted where RFC 4180 asks for it, and never a formula of a spreadsheet: headers may say anything. */
function cell(value: string | number | null): string {
  // To the nanosecond: some are kept in four bytes, whose last digits say nothing.
  if (typeof value === 'number') return String(Math.round(value * 1e6) / 1e6);
  if (value === null) return '';
  const plain = /^[=+@\t-]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Outcomes with their counts; and latencies of `ok` answers, s, ascending, of each start that has any. */
function told(run: Run) {
  const { outcomes, pools } = summaryOf(run);
  const seconds = (pool: Pool) => Array.from(pool.complete, (ms) => ms / 1000);
  const starts = STARTS.filter((start) => pools[start].complete.length > 0);
  return {
    outcomes: Object.entries(outcomes),
    latencies: starts.map((start) => [start, seconds(pools[start])] as const),
    all: seconds(pools.all),
  };
}

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
const upTo = (values: readonly number[], end: number) => values.filter((value) => value <= end).length;

/** The text format of Prometheus: a histogram of latency by start, and a counter of requests by outcome. */
function prometheus(run: Run): string {
  const { outcomes, latencies } = told(run);
  const seconds = `${NAME}_latency_seconds`;
  const lines = [`# TYPE ${NAME}_requests_total counter`];
  for (const [outcome, count] of outcomes) lines.push(`${NAME}_requests_total{outcome="${outcome}"} ${count}`);
  lines.push(`# TYPE ${seconds} histogram`);
  for (const [start, values] of latencies) {
    for (const end of BUCKETS) lines.push(`${seconds}_bucket{start="${start}",le="${end}"} ${upTo(values, end)}`);
    lines.push(`${seconds}_bucket{start="${start}",le="+Inf"} ${values.length}`);
    lines.push(`${seconds}_sum{start="${start}"} ${total(values)}`);
    lines.push(`${seconds}_count{start="${start}"} ${values.length}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The percentile table that HdrHistogram's plotter reads, of all `ok` answers, ms. */
function hdrplot(run: Run): string {
  const { all: values } = told(run);
  const lines = ['       Value     Percentile TotalCount 1/(1-Percentile)', ''];
  const n = values.length;
  // Five steps to each halving of what is left, as HdrHistogram has them.
  for (let share = 0; n > 0; ) {
    const rank = Math.max(1, Math.ceil(share * n));
    const ms = (values[rank - 1] as number) * 1000;
    const left = rank === n ? 'inf' : (1 / (1 - share)).toFixed(2);
    lines.push(
      `${ms.toFixed(3).padStart(12)} ${(rank === n ? 1 : share).toFixed(12)} ${String(rank).padStart(10)} ${left.padStart(14)}`,
    );
    if (rank === n) break;
    share += 2 ** Math.floor(Math.log2(1 - share)) / 10;
  }
  const mean = n === 0 ? 0 : (1000 * total(values)) / n;
  const deviation = Math.sqrt(total(values.map((value) => (1000 * value - mean) ** 2)) / Math.max(1, n));
  lines.push(`#[Mean    = ${mean.toFixed(3).padStart(12)}, StdDeviation   = ${deviation.toFixed(3).padStart(12)}]`);
  lines.push(
    `#[Max     = ${((values.at(-1) ?? 0) * 1000).toFixed(3).padStart(12)}, Total count    = ${String(n).padStart(12)}]`,
  );
  return `${lines.join('\n')}\n`;
}

/** An ExportMetricsServiceRequest of OpenTelemetry, as JSON. */
function otlp(run: Run): string {
  const { info } = run;
  const { outcomes, latencies } = told(run);
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const startTimeUnixNano = nano(Date.parse(info.startedAt));
  const ends = [...run.samples].map(({ lastByteMs, sentMs }) => lastByteMs ?? sentMs);
  const lastBurst = Date.parse(run.bursts.at(-1)?.releasedAt ?? info.startedAt);
  const endMs = ends.reduce((latest, ms) => Math.max(latest, ms), 0);
  const times = { startTimeUnixNano, timeUnixNano: nano(lastBurst + endMs) };
  const requests = outcomes.map(([outcome, count]) => ({
    ...{ ...times, asInt: String(count), attributes: [text('outcome', outcome)] },
  }));
  const histograms = latencies.map(([start, values]) => {
    const within = [...BUCKETS.map((end) => upTo(values, end)), values.length];
    return {
      ...{ ...times, attributes: [text('start', start)], count: String(values.length), sum: total(values) },
      explicitBounds: BUCKETS,
      bucketCounts: within.map((count, at) => String(count - (within[at - 1] ?? 0))),
    };
  });
  // 2 is cumulative.
  const metrics = [
    {
      name: `${NAME}.requests`,
      unit: '{request}',
      sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: requests },
    },
    { name: `${NAME}.latency`, unit: 's', histogram: { aggregationTemporality: 2, dataPoints: histograms } },
  ];
  const labels = Object.entries(info.labels).map(([name, value]) => text(`label.${name}`, value));
  const attributes = [text('service.name', 'burst-ner-load'), text('target', info.target), ...labels];
  const scopeMetrics = [{ scope: { name: 'burst-ner-load' }, metrics }];
  return `${JSON.stringify({ resourceMetrics: [{ resource: { attributes }, scopeMetrics }] })}\n`;
}

const nano = (ms: number) => `${Math.round(Number.isFinite(ms) ? ms : 0)}000000`;
