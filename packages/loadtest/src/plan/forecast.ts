import { countOf } from '../load/rate.js';
import { formatCount, formatDuration } from '../report/quantity.js';
import type { RunInfo } from '../run/run-file.js';
import { runCost, type Size } from './cost.js';

/** What is about to be run, on both sides together; `limit` requests a minute are what the gateway lets a key send. */
export type Intent = Pick<RunInfo, 'n' | 'bursts' | 'everyMs' | 'stages' | 'durationMs' | 'cold' | 'timeoutMs'> &
  Size & { limit: number };

const MINUTE = 60_000;

/** What it takes, before anything is sent: requests, time, cost on Lambda, and whether the gateway's limit cuts it. */
export function forecast(intent: Intent): string {
  const { memoryMb, arch } = intent;
  const requests = count(intent);
  const cost = (n: number) => money(runCost(n, 1000, memoryMb, arch));
  const billed = `if Lambda bills 1 s each at ${memoryMb} MB (${arch})`;
  const rows = [
    ['requests', requests === null ? 'as many as are answered' : formatCount(requests)],
    ['time', time(intent)],
    ['cost', requests === null ? `${cost(1000)} a thousand requests, ${billed}` : `${cost(requests)}, ${billed}`],
    ['limit', limit(intent)],
  ];
  return rows.map(([name, text]) => `  ${name?.padEnd(8)}  ${text}\n`).join('');
}

function count({ n, bursts, stages, durationMs }: Intent): number | null {
  if (stages !== null) return countOf(stages);
  return durationMs === null ? (n ?? 0) * bursts : null;
}

/** From all answered at once to all timed out: the next burst waits for the last answer. */
function time({ bursts, everyMs, durationMs, cold, timeoutMs }: Intent): string {
  const waits = cold === 'idle' ? bursts : bursts - 1;
  const least = durationMs ?? waits * (everyMs ?? 0);
  const most = durationMs === null ? waits * Math.max(everyMs ?? 0, timeoutMs) + timeoutMs : durationMs + timeoutMs;
  const making = cold === 'restart' || cold === 'config-bump' ? '; and making the function cold before each burst' : '';
  if (least === 0) return `at most ${formatDuration(most)}${making}`;
  return `${formatDuration(least)}, at most ${formatDuration(most)} if answers time out${making}`;
}

/** Windows are calendar minutes. */
function limit(intent: Intent): string {
  const { n, bursts, everyMs, stages, durationMs, limit } = intent;
  if (stages === null && durationMs !== null) return `${limit} a minute cuts what is answered faster than that`;
  const fastest = Math.max(...(stages ?? []).map(({ from, to }) => Math.max(from, to)));
  const most =
    stages === null
      ? (n ?? 0) * Math.min(bursts, everyMs === null || everyMs >= MINUTE ? 1 : Math.ceil(MINUTE / everyMs))
      : Math.min(count(intent) ?? 0, Math.ceil(fastest * 60));
  if (most <= limit) return `${limit} a minute lets all through (at most ${formatCount(most)} in a calendar minute)`;
  const late = n !== null && n > limit ? '; Kong counts late, so it may let more of one burst through' : '';
  return `${limit} a minute may cut this: up to ${formatCount(most)} in a calendar minute${late}`;
}

function money(dollars: number): string {
  return dollars < 0.01 ? 'less than $0.01' : `about $${dollars.toFixed(2)}`;
}
