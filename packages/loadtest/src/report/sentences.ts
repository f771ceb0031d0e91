import type { Asked, Run, RunInfo } from '../run/run-file.js';
import { OUTCOMES, STARTS } from '../run/sample.js';
import { median } from '../statistics/percentile.js';
import type { Distribution, Summary } from '../statistics/summary.js';
import { formatCount, formatDuration, formatMs, formatTimes } from './quantity.js';

/** What was run, in a few words. */
export function title(info: RunInfo): string {
  return `${load(info)} to ${plain(info.target)}`;
}

/** What was sent, and when. */
export function load(asked: Asked): string {
  const { mode, n, bursts, everyMs, rate, stages, durationMs } = asked;
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
    const seen = listed(statuses);
    return `None of ${formatCount(sent)} requests succeeded${seen && ` (${seen})`}.`;
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

/** What was counted: a line each. */
export function counts({ bursts }: Run, summary: Summary): string[] {
  const { sent, outcomes, statuses, throughput, windows, init, initTypes } = summary;
  const seen = OUTCOMES.filter((outcome) => outcomes[outcome] > 0);
  const lines = [`sent ${sent} = ${seen.map((outcome) => `${outcomes[outcome]} ${outcome}`).join(' + ')}`];
  if (Object.keys(statuses).length > 1) lines.push(`answered ${listed(statuses)}`);
  const spreads = bursts.map(({ spreadMs }) => spreadMs);
  const most = formatMs(Math.max(...spreads));
  if (spreads.length === 1) lines.push(`first bytes sent within ${most}`);
  if (spreads.length > 1) {
    lines.push(`first bytes of a burst sent within ${formatMs(median(spreads))} (median), ${most} at most`);
  }
  if (throughput) {
    const { requests, documents, bytes } = throughput;
    const number = (value: number) => (value < 100 ? value.toFixed(1) : formatCount(Math.round(value)));
    const kB = bytes > 0 ? `, ${number(bytes / 1000)} kB of requests` : '';
    const from = "from a first request to its burst's last answer";
    lines.push(`${number(requests)} answers, ${number(documents)} documents${kB} a second, ${from}`);
  }
  // What the gateway let through, where it refused some or should have.
  if (windows.some(({ admitted, refused, limit }) => refused > 0 || admitted > limit)) {
    const each = windows.map(({ admitted, limit }) => `${admitted} of ${limit}`);
    const shown = each.length > 6 ? [...each.slice(0, 6), `… (${each.length} minutes)`] : each;
    lines.push(`admitted by the gateway, minute by minute: ${shown.join(', ')}`);
  }
  if (init?.p50.value && init.max) {
    const [typical, longest] = [formatMs(init.p50.value), formatMs(init.max)];
    lines.push(`init of the cold starts (server-timing): median ${typical}, max ${longest}`);
  }
  const types = Object.entries(initTypes).map(([type, n]) => `${n} ${plain(type)}`);
  if (types.length > 0) lines.push(`init type: ${types.join(', ')}`);
  return lines;
}

/** HTTP 200 × 18, HTTP 429 × 2. */
function listed(statuses: Summary['statuses']): string {
  return Object.entries(statuses)
    .map(([status, n]) => `HTTP ${status} × ${n}`)
    .join(', ');
}
