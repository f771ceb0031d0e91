import { formatCount, formatDuration } from '../report/quantity.js';
import { type Arch, runCost } from './cost.js';

/** What is about to be run. */
export interface Intent {
  /** Requests a burst; connections of a closed loop; null for an open model. */
  n: number | null;
  /** All of them, of both sides. */
  bursts: number;
  /** From one release to the next, ms; null for a single burst. */
  everyMs: number | null;
  /** Requests a second of an open model. */
  rate: number | null;
  /** Of an open model and a closed loop, ms. */
  durationMs: number | null;
  /** Whether it waits before the first burst, too. */
  idle: boolean;
  timeoutMs: number;
  /** Requests a minute that the gateway lets a key send. */
  limit: number;
  memoryMb: number;
  arch: Arch;
}

const MINUTE = 60_000;

/** What it takes, before anything is sent: requests, time, cost on Lambda, and whether the gateway's limit cuts it. */
export function forecast(intent: Intent): string {
  const { memoryMb, arch, timeoutMs } = intent;
  const [requests, time] = [count(intent), timeMs(intent)];
  const cost = (n: number) => money(runCost(n, 1000, memoryMb, arch));
  const billed = `if Lambda bills 1 s each at ${memoryMb} MB (${arch})`;
  const rows = [
    ['requests', requests === null ? 'as many as are answered' : formatCount(requests)],
    [
      'time',
      time
        ? `${formatDuration(time)}, and at most ${formatDuration(timeoutMs)} for the last answers`
        : `at most ${formatDuration(timeoutMs)}`,
    ],
    ['cost', requests === null ? `${cost(1000)} a thousand requests, ${billed}` : `${cost(requests)}, ${billed}`],
    ['limit', limit(intent)],
  ];
  return rows.map(([name, text]) => `  ${name?.padEnd(8)}  ${text}\n`).join('');
}

function count({ n, bursts, rate, durationMs }: Intent): number | null {
  if (rate !== null) return Math.max(1, Math.floor((rate * (durationMs ?? 0)) / 1000));
  return durationMs === null ? (n ?? 0) * bursts : null;
}

function timeMs({ bursts, everyMs, durationMs, idle }: Intent): number {
  return durationMs ?? (bursts - (idle ? 0 : 1)) * (everyMs ?? 0);
}

/** Windows are calendar minutes. */
function limit(intent: Intent): string {
  const { n, bursts, everyMs, rate, durationMs, limit } = intent;
  if (rate === null && durationMs !== null) return `${limit} a minute cuts what is answered faster than that`;
  const most =
    rate === null
      ? (n ?? 0) * Math.min(bursts, everyMs === null || everyMs >= MINUTE ? 1 : Math.ceil(MINUTE / everyMs))
      : Math.min(count(intent) ?? 0, Math.ceil(rate * 60));
  if (most <= limit) return `${limit} a minute lets all through (at most ${formatCount(most)} in a calendar minute)`;
  const late = n !== null && n > limit ? '; Kong counts late, so it may let more of one burst through' : '';
  return `${limit} a minute may cut this: up to ${formatCount(most)} in a calendar minute${late}`;
}

function money(dollars: number): string {
  return dollars < 0.01 ? 'less than $0.01' : `about $${dollars.toFixed(2)}`;
}
