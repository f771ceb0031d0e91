import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../statistics/percentile.js';
import { runBurst } from './burst.js';
import { Requests } from './requests.js';
import type { Truth } from './truth.js';

/** What this machine adds to what it measures. */
export interface SelfCheck {
  cores: number;
  /** Share of all cores that others used before the check began, 0 to 1. */
  busy: number;
  bursts: BurstCheck[];
  /** Why results of this machine cannot be trusted, a sentence each; empty when they can. */
  problems: string[];
}

interface BurstCheck {
  n: number;
  /**
   * Reported median less the server's own, ms; the median of the bursts. The server's clock starts when it has read a
   * request: the error on the wire is smaller.
   */
  errorMs: number;
  /** What a burst's median differs by from one burst to the next, with nothing changed, ms: the greatest of the bursts. */
  resolvesMs: number;
  /** From the first request's first byte to the last one's, ms; the median of the bursts. */
  spreadMs: number;
}

/**
 * What is still good. On a quiet machine of two cores the errors are about a third of this; which part of it is ours,
 * packets captured on the wire tell (`npm run bench -- loadtest`).
 */
const BOUNDS = [
  { n: 5, errorMs: 1.5, spreadMs: 2.5 },
  { n: 20, errorMs: 1.5, spreadMs: 2.5 },
  { n: 100, errorMs: 5, spreadMs: 5 },
];
const BURSTS = 7;
const HOLD_MS = 20;
const MAX_BUSY = 0.25;

/**
 * Bursts against a server that knows how long it kept each request.
 *
 * @param truth is not closed
 * @param busy how busy others keep this machine; measured for half a second when not given
 */
export async function selfcheck(truth: Truth, busy?: number): Promise<SelfCheck> {
  const cores = os.availableParallelism();
  const others = busy ?? (await busyShare());
  await truth.hold({ holdMs: HOLD_MS });
  const bursts: BurstCheck[] = [];
  const problems: string[] = [];
  for (const { n, ...good } of BOUNDS) {
    const found = await check(truth, n);
    const [error, spread] = [found.errorMs.toFixed(1), found.spreadMs.toFixed(1)];
    bursts.push(found);
    if (found.errorMs > good.errorMs) {
      problems.push(`latencies of ${n} at once read ${error} ms too long: do not trust smaller differences`);
    }
    if (found.spreadMs > good.spreadMs) {
      problems.push(`${n} requests at once leave over ${spread} ms: what should be one instant is not`);
    }
  }
  if (others > MAX_BUSY) {
    problems.push(
      `other programs use ${Math.round(others * 100)} % of this machine: end them, or measure from another`,
    );
  }
  if (cores < 2) problems.push('one core: what measures and what runs beside it take it from each other');
  return { cores, busy: others, bursts, problems };
}

async function check(truth: Truth, n: number): Promise<BurstCheck> {
  const errors: number[] = [];
  const spreads: number[] = [];
  for (let i = 0; i < BURSTS; i++) {
    const { samples, spreadMs } = await runBurst({
      url: truth.url,
      apiKey: 'selfcheck',
      requests: Requests.of('Oslo'),
      n,
    });
    errors.push(median(samples.map((sample) => (sample.lastByteMs ?? 0) - sample.sentMs)) - median(await truth.held()));
    spreads.push(spreadMs);
  }
  const resolvesMs = Math.max(...errors) - Math.min(...errors);
  return { n, errorMs: median(errors), resolvesMs, spreadMs: median(spreads) };
}

/** What all processes use while this one sleeps. */
async function busyShare(): Promise<number> {
  const before = times();
  await sleep(500);
  const after = times();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

function times() {
  const all = os.cpus().map(({ times }) => times);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { idle: sum(all.map(({ idle }) => idle)), all: sum(all.flatMap((each) => Object.values(each))) };
}
