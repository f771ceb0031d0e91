import type { Sample } from '../run/sample.js';
import { instant, pause } from './clock.js';
import { Connection } from './connection.js';
import { encodeRequest, type Load } from './requests.js';
import { TargetError } from './target-error.js';

/** A part of an open model, whose rate stays, or changes evenly from one to the other. */
export interface Stage {
  /** Requests a second. */
  from: number;
  to: number;
  durationMs: number;
}

export interface RateOptions extends Load {
  /** One after another. */
  stages: readonly Stage[];
  /** Gets each sample when its request is over, not in their order. */
  onSample: (sample: Sample) => void;
}

/** How long before its request a connection is opened, ms, at least. */
const AHEAD_MS = 1000;
/** From the end of an answer until it is parsed, ms. */
const SETTLE_MS = 100;

/** Requests of a stage, of which the last may be a part of one. */
const requestsIn = ({ from, to, durationMs }: Stage) => ((from + to) / 2 / 1000) * durationMs;

/** How many requests are due until the end of some stages: one at least. Days of them need no list. */
export function countOf(stages: readonly Stage[]): number {
  const sum = stages.reduce((total, stage) => total + requestsIn(stage), 0);
  return Math.max(1, Math.ceil(sum - 1e-9));
}

/** When each request is due, ms after the first. */
export function* dueMs(stages: readonly Stage[]): Generator<number, void, undefined> {
  let [startsMs, before, number] = [0, 0, 0];
  for (const stage of stages) {
    const { from, to, durationMs } = stage;
    const upTo = before + requestsIn(stage);
    const slope = (to - from) / durationMs / 1000;
    for (; number < upTo - 1e-9 || number === 0; number++) {
      // After so many requests of this stage: rate × t + slope × t² / 2.
      const count = number - before;
      const root = Math.sqrt((from / 1000) ** 2 + 2 * slope * count);
      yield startsMs + (slope === 0 ? (count * 1000) / from : (2 * count) / (from / 1000 + root));
    }
    before = upTo;
    startsMs += durationMs;
  }
}

/**
 * Sends requests when they are due, whether earlier ones are answered or not (an open model), each on a connection of its
 * own that is opened ahead of time. A request whose connection is not ready in time leaves as soon as it is: its latency
 * counts from when it should have left.
 *
 * @throws {TargetError} when no more connection can be made, for a reason of this side's; the samples before were told
 * @throws {TypeError} when the key cannot be a header's value
 */
export async function runRate(options: RateOptions): Promise<void> {
  const { stages, timeoutMs = 60_000, signal, onSample, requests } = options;
  encodeRequest(options, requests.nth(0));
  // The first use of it takes almost 1 ms, and every request would be so late.
  performance.now();
  // In this order nothing leaves before its time, not even by a microsecond.
  const origin = process.hrtime.bigint() + BigInt(AHEAD_MS * 1e6);
  const startsAt = performance.now() + AHEAD_MS;

  let failure: TargetError | undefined;
  const request = async (index: number, intendedMs: number) => {
    const payload = requests.nth(index);
    const bytes = encodeRequest(options, payload);
    const connection = new Connection(options);
    // What cannot connect is told when it is due.
    connection.ready.catch((error) => {
      if (error instanceof TargetError && error.ofAll) failure ??= error;
    });
    await instant(startsAt + intendedMs);
    // Nobody knows what would have become of one that was not due when the run ended.
    const isDue = !signal?.aborted;
    const timer = setTimeout(() => connection.stop('timeout'), timeoutMs);
    if (isDue) await connection.ready.then(() => connection.send(bytes)).catch(() => {});
    await connection.over;
    clearTimeout(timer);
    // Answers that come together are all stamped before the first of them is parsed.
    await pause(SETTLE_MS, signal);
    connection.stop('closed');
    if (isDue) onSample(await connection.sample({ burst: 0, index, intendedMs, ...payload.sizes }, origin));
  };

  const under = new Set<Promise<void>>();
  let [index, before] = [0, 0];
  for (const intendedMs of dueMs(stages)) {
    // In the middle between two requests: what is opened at the instant of another holds up that one's answer.
    const gapMs = Math.min(AHEAD_MS, intendedMs - before);
    before = intendedMs;
    await pause(startsAt + intendedMs - AHEAD_MS - gapMs / 2 - performance.now(), signal);
    if (signal?.aborted || failure) break;
    const going = request(index++, intendedMs).finally(() => under.delete(going));
    under.add(going);
  }
  await Promise.all(under);
  if (failure) throw failure;
}
