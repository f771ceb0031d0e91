import { randomUUID } from 'node:crypto';
import manifest from '../../package.json' with { type: 'json' };
import { InputError } from '../input-error.js';
import { type BurstsOptions, runBursts, type Side } from '../load/bursts.js';
import type { Cold } from '../load/cold.js';
import { runLoop } from '../load/loop.js';
import { probe, refuse } from '../load/probe.js';
import { runRate } from '../load/rate.js';
import type { Load, Requests } from '../load/requests.js';
import { formatDuration } from '../report/quantity.js';
import { type Asked, Recorder, type Run, type RunInfo } from '../run/run-file.js';
import type { Outcome, Sample } from '../run/sample.js';
import { Windows } from '../statistics/windows.js';
import { Progress } from './progress.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What is to be measured. */
export interface Order extends Asked, Pick<RunInfo, 'timeoutMs' | 'labels'> {
  cold: Cold;
  requests: Requests;
  /** The target, or two whose bursts alternate; and where their samples go. */
  sides: { url: URL; out?: string | undefined }[];
}

export interface Measured {
  /** One a side; none when nothing could be sent. */
  runs: Run[];
  /** Why it ended early. What was measured before is in the runs. */
  problem: InputError | undefined;
  /** Whether it was ended by Ctrl-C, or asked to end. */
  interrupted: boolean;
}

/**
 * Runs an order until it is done, cannot go on, or is asked to end (Ctrl-C). Says on standard error how it goes.
 *
 * @param limit requests a minute that were expected of the gateway
 */
export async function measure(order: Order, apiKey: string, limit: number): Promise<Measured> {
  const { requests, timeoutMs, mode, n, bursts, everyMs, cold } = order;
  const stop = new AbortController();
  let interrupted = false;
  const onSignal = () => {
    interrupted = true;
    stop.abort();
  };
  for (const name of SIGNALS) process.once(name, onSignal);
  const load = { apiKey, requests, timeoutMs, signal: stop.signal };
  const progress = new Progress();
  /** Of each gateway. */
  const gateways = new Map(order.sides.map(({ url }) => [url.origin, new Windows()]));
  const recorders: Recorder[] = [];
  let problem: InputError | undefined;
  let alone = true;
  const onSample = (sample: Sample, url: URL, originMs: number) => {
    refuse(url, sample.status);
    gateways.get(url.origin)?.see(sample, originMs);
  };
  /** Once everything that was sent is counted: before that, what is under way would pass for somebody else's. */
  const onQuiet = () => {
    if (!alone || ![...gateways.values()].some(({ others }) => others > 0)) return;
    alone = false;
    progress.line(
      'Somebody else uses this key, or an earlier run did in the same minute: less is left than was sent here.',
    );
  };
  const attempt = async (step: () => Promise<void> | void) => {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // What Ctrl-C stopped before anything was sent is no problem of the target's.
      if (!interrupted) problem ??= error;
    }
  };

  await attempt(async () => {
    for (const { url } of order.sides) await probe({ ...load, url });
    const id = randomUUID();
    for (const [at, { url, out }] of order.sides.entries()) {
      const pair = order.sides.length > 1 ? { id, side: at === 0 ? ('a' as const) : ('b' as const) } : null;
      recorders.push(new Recorder(infoOf(order, url, pair), out));
    }
    const sides = order.sides.map(({ url }, at) => ({ url, recorder: recorders[at] as Recorder }));
    if (mode === 'bursts') {
      await runBursts({ ...load, sides, n: n ?? 0, bursts, everyMs: everyMs ?? 0, cold, progress, onSample, onQuiet });
    } else {
      await runSteady(order, { ...load, stop }, sides[0] as Side, progress, onSample);
      onQuiet();
    }
  });
  progress.end();
  for (const name of SIGNALS) process.off(name, onSignal);
  const reason = problem || interrupted ? 'interrupted' : 'complete';
  for (const recorder of recorders) await attempt(() => recorder.end(reason));

  for (const [origin, { limit: told }] of gateways) {
    if (told !== null && told !== limit) {
      progress.line(`The answers of ${origin} tell a limit of ${told} a minute, not ${limit}.`);
    }
  }
  return { runs: recorders.map(({ run }) => run), problem, interrupted };
}

/** An open model or a closed loop. A problem within it ends it. */
async function runSteady(
  { stages, n, durationMs }: Order,
  { stop, ...load }: Omit<Load, 'url'> & { stop: AbortController },
  { url, recorder }: Side,
  progress: Progress,
  onSample: BurstsOptions['onSample'],
): Promise<void> {
  const startedAt = performance.timeOrigin + performance.now();
  const outcomes = new Map<Outcome, number>();
  const errors: unknown[] = [];
  const take = (sample: Sample) => {
    try {
      recorder.samples([sample]);
      outcomes.set(sample.outcome, (outcomes.get(sample.outcome) ?? 0) + 1);
      onSample(sample, url, startedAt);
    } catch (error) {
      errors.push(error);
      stop.abort();
    }
  };
  progress.still(() => {
    const counts = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ') || 'no answer yet';
    return `${formatDuration(1000 * Math.ceil((performance.timeOrigin + performance.now() - startedAt) / 1000))} of ${formatDuration(durationMs ?? 0)}: ${counts}; Ctrl-C keeps what was measured`;
  });
  const common = { ...load, url, onSample: take };
  if (stages) await runRate({ ...common, stages });
  else await runLoop({ ...common, connections: n ?? 1, durationMs: durationMs ?? 0 });
  if (errors.length > 0) throw errors[0];
}

function infoOf(
  { sides: _, requests, cold, ...asked }: Order,
  { origin, pathname }: URL,
  pair: RunInfo['pair'],
): RunInfo {
  return {
    startedAt: new Date().toISOString(),
    // Without query or credentials: either may be secret.
    target: `${origin}${pathname}`,
    ...asked,
    cold: cold.by,
    text: requests.info,
    version: manifest.version,
    pair,
  };
}
