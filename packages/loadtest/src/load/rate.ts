import type { Sample } from '../run/sample.js';
import { instant, pause } from './clock.js';
import { Connection } from './connection.js';
import { encodeRequest, type Load } from './request.js';

export interface RateOptions extends Load {
  /** Requests a second. */
  rate: number;
  /** From the first request to the last, ms. */
  durationMs: number;
  /** Gets each sample when its request is over, not in their order. */
  onSample: (sample: Sample) => void;
}

/** How long before its request a connection is opened, ms. */
const AHEAD_MS = 1000;
/** From the end of an answer until it is parsed, ms. */
const SETTLE_MS = 100;

/**
 * Sends requests at even steps, whether earlier ones are answered or not (an open model), each on a connection of its
 * own that is opened ahead of time. A request whose connection is not ready in time leaves as soon as it is: its latency
 * counts from when it should have left.
 *
 * @throws {TypeError} when the key cannot be a header's value
 */
export async function runRate(options: RateOptions): Promise<void> {
  const { rate, durationMs, timeoutMs = 60_000, signal, onSample } = options;
  const bytes = encodeRequest(options);
  const count = Math.max(1, Math.floor((rate * durationMs) / 1000));
  // The first use of it takes almost 1 ms, and every request would be so late.
  performance.now();
  // In this order nothing leaves before its time, not even by a microsecond.
  const origin = process.hrtime.bigint() + BigInt(AHEAD_MS * 1e6);
  const startsAt = performance.now() + AHEAD_MS;
  const open = new Set<Connection>();
  const cut = () => {
    for (const connection of open) connection.stop('cut');
  };
  signal?.addEventListener('abort', cut);

  const request = async (index: number) => {
    const intendedMs = (index * 1000) / rate;
    const connection = new Connection(options);
    open.add(connection);
    // What cannot connect is told when it is due.
    connection.ready.catch(() => {});
    await instant(startsAt + intendedMs);
    // Nobody knows what would have become of one that was not due when the run ended.
    const due = !signal?.aborted;
    const timer = setTimeout(() => connection.stop('timeout'), timeoutMs);
    if (due) await connection.ready.then(() => connection.send(bytes)).catch(() => {});
    await connection.over;
    clearTimeout(timer);
    // Answers that come together are all stamped before the first of them is parsed.
    await pause(SETTLE_MS, signal);
    connection.stop('closed');
    open.delete(connection);
    if (due) onSample(await connection.sample({ burst: 0, index, intendedMs }, origin));
  };

  const requests = new Set<Promise<void>>();
  for (let index = 0; index < count; index++) {
    await pause(startsAt + (index * 1000) / rate - AHEAD_MS - performance.now(), signal);
    if (signal?.aborted) break;
    const going = request(index).finally(() => requests.delete(going));
    requests.add(going);
  }
  await Promise.all(requests);
  signal?.removeEventListener('abort', cut);
}
