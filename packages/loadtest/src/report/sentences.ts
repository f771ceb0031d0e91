import { isLoopback } from '../load/loopback.js';
import type { Run, RunInfo } from '../run/run-file.js';
import { OUTCOMES, type Outcome, STARTS } from '../run/sample.js';
import { median } from '../statistics/percentile.js';
import type { Distribution, Summary } from '../statistics/summary.js';
import { formatCount, formatDuration, formatMs, formatShare, formatTimes, readPercentile } from './quantity.js';

/** What was run, in a few words. */
export function title(info: RunInfo): string {
  return `${load(info)} to ${plain(info.target)}`;
}

/** What was sent, and when. */
export function load({
  mode,
  n,
  bursts,
  everyMs,
  rate,
  stages,
  durationMs,
}: Pick<RunInfo, 'mode' | 'n' | 'bursts' | 'everyMs' | 'rate' | 'stages' | 'durationMs'>): string {
  const time = formatDuration(durationMs ?? 0);
  if (mode === 'rate' && rate === null && stages) {
    const each = stages.map(
      ({ from, to, durationMs }) => `${from === to ? '' : `${from} to `}${to} for ${formatDuration(durationMs)}`,
    );
    return `requests a second: ${each.join(', ')}`;
  }
  if (mode === 'rate') return `${rate} requests a second for ${time}`;
  if (mode === 'sustained') return `${n} connections busy for ${time}`;
  if (bursts === 1) return `one burst of ${n}`;
  return `${bursts} bursts of ${n}${everyMs === null ? '' : ` every ${formatDuration(everyMs)}`}`;
}

/** Without what would steer a terminal: a run's file and headers may hold anything. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, '\u{fffd}');
}

/** What came of it, in one sentence. */
export function verdict({ info }: Run, { sent, outcomes, statuses, latency }: Summary): string {
  if (outcomes.ok === 0) {
    const seen = Object.entries(statuses).map(([status, n]) => `HTTP ${status} × ${n}`);
    return `None of ${formatCount(sent)} requests succeeded${seen.length > 0 ? ` (${seen.join(', ')})` : ''}.`;
  }
  const parts = STARTS.flatMap((start) => {
    const found = latency[start];
    if (!found || found.n === 0) return [];
    // Among the unknown are the time-outs: their median may be one.
    const typical = found.p50.value === null ? `over ${formatDuration(info.timeoutMs)}` : formatMs(found.p50.value);
    return [`${formatCount(found.n)} ${start} (median ${typical})`];
  });
  const { cold, warm } = latency;
  const ratio =
    cold?.p50.value && warm?.p50.value && hasInterval(cold) && hasInterval(warm)
      ? `; cold took ${formatTimes(cold.p50.value / warm.p50.value)} times as long`
      : '';
  const late =
    outcomes.timeout > 0 ? `; ${formatCount(outcomes.timeout)} took over ${formatDuration(info.timeoutMs)}` : '';
  return `${formatCount(outcomes.ok)} of ${formatCount(sent)} requests succeeded: ${parts.join(', ')}${ratio}${late}.`;
}

/** Whether there are enough values to say something about the median. */
function hasInterval({ n, censored, p50 }: Distribution): boolean {
  return n + censored >= p50.needed;
}

/** What a person needs to know about the outcomes that are not latency. */
const NOTES: Partial<Record<Outcome, string>> = {
  'kong-429': "kong-429: this key's rate limit; it opens again with the next minute.",
  'lambda-429': "lambda-429: the function's concurrency; waiting for the next minute does not help.",
  timeout: 'timeout: these took longer than the limit; percentiles of all count them as longer than any answer.',
  cut: 'cut: still without an answer when the run ended.',
};

/** More than that between the first and the last request of a burst, ms, and this machine was too slow or too busy. */
const GOOD_SPREAD_MS = { 'http:': 2.5, 'https:': 10 };
/** A request of an open model that leaves later than this, ms, waited for this machine and not for the target. */
const GOOD_DELAY_MS = 10;

/** What the figures do not say by themselves: a line each, of what it is about, a colon, and a sentence. */
export function caveats(run: Run, summary: Summary): string[] {
  const { info } = run;
  const { outcomes, statuses, latency, windows } = summary;
  const { errors, late, warmBefore } = look(run);
  const lines = [...ending(run), ...spread(run)];
  if (info.mode === 'rate' && late > 0.01 * summary.sent) {
    lines.push(`busy machine: ${formatShare(late / summary.sent)} of the requests left over ${GOOD_DELAY_MS} ms late.`);
  }
  if (info.cold !== 'none' && warmBefore > 0) {
    lines.push(
      `not all cold: in spite of --cold ${info.cold}, ${warmBefore} answers are from environments that were warm before their burst.`,
    );
  } else if (info.cold !== 'none' && !latency.cold)
    lines.push(`none cold: in spite of --cold ${info.cold}, no answer was.`);
  if (info.mode === 'sustained') {
    lines.push('closed loop: a slow answer holds back the next request; nobody waits in a queue here.');
  }
  const over = windows.filter(({ admitted, limit }) => admitted > limit);
  for (const { admitted, limit } of over.slice(0, 1)) {
    const more = over.length > 1 ? `, and too many in ${over.length - 1} more` : '';
    lines.push(
      `over-admission: the gateway let ${admitted} through in a minute of ${limit}${more}; requests at one instant pass before they are counted.`,
    );
  }
  if (latency.cold) lines.push(...ofThisMachine(run));
  // The two runs of a pair may share a key.
  if (summary.others > 0 && info.pair === null)
    lines.push(
      `others on the key: ${summary.others} requests in one minute were not of this run, but of an earlier one or of somebody else.`,
    );
  if (latency.unknown && latency.unknown.n > 0) {
    lines.push('unknown: the answer has no x-ner-cold-start header, so nobody can tell.');
  }
  for (const outcome of OUTCOMES) if (outcomes[outcome] > 0 && NOTES[outcome]) lines.push(NOTES[outcome]);
  if (statuses['404']) lines.push('404: no route matches; url must include the route, e.g. /nlp/ner.');
  if (errors.size > 0) lines.push(`connection-error: ${[...errors].map(plain).join(', ')}`);
  return lines;
}

/**
 * A column for each class, so that cold and warm stand side by side, and one of all where there is more than one class or a
 * time-out; each cell is a value and its interval, either of which may be empty.
 */
export function percentiles({ latency }: Summary, timeoutMs: number) {
  const classes = STARTS.filter((start) => (latency[start]?.n ?? 0) > 0);
  const names = [...classes, ...(classes.length > 1 || latency.all?.censored ? (['all'] as const) : [])];
  const columns = names.flatMap((name) => latency[name] ?? []);
  const row = (label: string, cell: (found: Distribution) => [value: string, interval: string]) => ({
    label,
    cells: columns.map(cell),
  });
  const edge = (ms: number | null): [string, string] => [ms === null ? '' : formatMs(ms), ''];
  const rows = [
    row('n', ({ n, censored }) => [
      censored > 0 ? `${formatCount(n)} + ${formatCount(censored)} timed out` : formatCount(n),
      '',
    ]),
    row('min', ({ min }) => edge(min)),
    ...(['p50', 'p90', 'p95', 'p99'] as const).map((name) =>
      row(name, (found) => {
        const { value, interval } = readPercentile(found[name], found, timeoutMs);
        return [value ?? '', interval];
      }),
    ),
    row('max', ({ max }) => edge(max)),
  ];
  return { names, rows };
}

/** How far from one instant bursts were: the median and the greatest spread, ms; undefined without bursts. */
export function spreadOf({ bursts }: Pick<Run, 'bursts'>): { median: number; most: number } | undefined {
  const spreads = bursts.map(({ spreadMs }) => spreadMs);
  return spreads.length > 0 ? { median: median(spreads), most: Math.max(...spreads) } : undefined;
}

/** 15.8 answers, 24.2 documents, 3.2 kB of requests a second. */
export function throughput({ throughput }: Summary): string | null {
  if (!throughput) return null;
  const { requests, documents, bytes } = throughput;
  const number = (value: number) => (value < 100 ? value.toFixed(1) : formatCount(Math.round(value)));
  const sent = bytes > 0 ? `, ${number(bytes / 1000)} kB of requests` : '';
  return `${number(requests)} answers, ${number(documents)} documents${sent} a second, from a first request to its burst's last answer`;
}

/** What the gateway let through, where it refused some or should have; null where it did not. */
export function admissions({ windows }: Summary): string | null {
  if (windows.every(({ admitted, refused, limit }) => refused === 0 && admitted <= limit)) return null;
  const each = windows.map(({ admitted, limit }) => `${admitted} of ${limit}`);
  const shown = each.length > 6 ? [...each.slice(0, 6), `… (${each.length} minutes)`] : each;
  return `admitted by the gateway, minute by minute: ${shown.join(', ')}`;
}

/** What only the samples tell, in one walk through them. */
function look({ info, samples }: Run) {
  const errors = new Set<string>();
  /** In which burst each environment started. */
  const started = new Map<string | null, number>();
  const warm: { instance: string | null; burst: number }[] = [];
  let late = 0;
  for (const sample of samples) {
    const { burst, instance, start, outcome, error } = sample;
    if (sample.sentMs - sample.intendedMs > GOOD_DELAY_MS) late++;
    if (outcome === 'connection-error' && error) errors.add(error);
    if (start === 'cold') started.set(instance, burst);
    if (start === 'warm' && info.cold !== 'none') warm.push({ instance, burst });
  }
  const before = warm.filter(({ instance, burst }) => started.get(instance) !== burst);
  return { errors, late, warmBefore: before.length };
}

/** Of a target on loopback, which shares its cores with what measures it. */
export function ofThisMachine({ info }: Pick<Run, 'info'>): string[] {
  if (!isLoopback(new URL(info.target))) return [];
  return ['this machine: cold starts share its cores and wait for each other here; on Lambda each has its own.'];
}

function ending({ info, bursts, end }: Run): string[] {
  const done = info.mode === 'bursts' ? ` after ${bursts.length} of ${info.bursts} bursts` : '';
  if (end === 'interrupted') {
    return [`interrupted: by Ctrl-C or an error${done}; of what was on its way, the fastest are in the figures.`];
  }
  return end === null ? [`no end: the run was killed${done}; what was on its way is missing.`] : [];
}

function spread({ info, bursts }: Run): string[] {
  const good = GOOD_SPREAD_MS[info.target.startsWith('https:') ? 'https:' : 'http:'];
  const slow = bursts.filter(({ spreadMs }) => spreadMs > good);
  if (slow.length === 0) return [];
  const most = Math.max(...slow.map(({ spreadMs }) => spreadMs));
  const which = info.bursts === 1 ? '' : ` of ${slow.length} of ${bursts.length} bursts`;
  return [
    `busy machine: the requests${which} left over ${slow.length > 1 ? 'up to ' : ''}${formatMs(most)}, not at one instant (${good} ms at most on a quiet one).`,
  ];
}
