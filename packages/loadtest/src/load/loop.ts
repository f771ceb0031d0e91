import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../input-error.js';
import type { Sample } from '../run/sample.js';
import { Connection } from './connection.js';
import { encodeRequest, type Load } from './requests.js';
import { TargetError } from './target-error.js';

export interface LoopOptions extends Load {
  /** Each sends its next request when its last one is answered. */
  connections: number;
  durationMs: number;
  /** Gets each sample when its request is over. */
  onSample: (sample: Sample) => void;
}

/** Between two attempts to connect, ms; and how many that fail one after another, before the target has gone. */
const AGAIN_MS = 100;
const ATTEMPTS = 30;
/** How long after an answer a close of its connection is awaited, once the target was seen to close without a word, ms. */
const LINGER_MS = 2;

/**
 * A closed loop: connections that are kept, each with one request at a time. What the target closes is opened again, and
 * what could not connect is no request.
 *
 * A kept connection that ends without a byte of an answer was closed after the answer before, while the next request was
 * on its way, or instead of an answer. From the first time on each connection is watched for a moment before its next
 * request. A target that is seen to close after its answers did so there, too, and nothing of it is counted; of one that
 * is not each is a `connection-error`.
 *
 * @throws {InputError} when the target goes away; the samples before were told
 */
export async function runLoop(options: LoopOptions): Promise<void> {
  const { connections, durationMs, timeoutMs = 60_000, signal, onSample, requests } = options;
  const origin = process.hrtime.bigint();
  const nowMs = () => Number(process.hrtime.bigint() - origin) / 1e6;
  const end = new AbortController();
  const stop = () => end.abort();
  const timer = setTimeout(stop, durationMs);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  let [sent, failed, closes, lingerMs] = [0, 0, 0, 0];
  const doubtful: Sample[] = [];

  const connect = async (): Promise<Connection | undefined> => {
    for (let attempt = 0; !end.signal.aborted; attempt++) {
      const connection = new Connection({ ...options, signal: end.signal }, true);
      try {
        await connection.readyWithin(timeoutMs);
        return connection;
      } catch (error) {
        failed++;
        if (error instanceof TargetError && error.ofAll) throw error;
        if (attempt >= ATTEMPTS) throw gone(options.url, failed, nowMs());
        await sleep(AGAIN_MS);
      }
    }
    return undefined;
  };

  const work = async () => {
    let connection: Connection | undefined;
    let kept = false;
    while (!end.signal.aborted) {
      connection ??= await connect();
      if (!connection || end.signal.aborted) return;
      const payload = requests.nth(sent);
      const late = setTimeout((sending: Connection) => sending.stop('timeout'), timeoutMs, connection);
      const place = { burst: 0, index: sent++, intendedMs: nowMs(), ...payload.sizes };
      connection.send(encodeRequest(options, payload, false));
      await connection.over;
      clearTimeout(late);
      const sample = await connection.sample(place, origin);
      if (kept && connection.unanswered) doubtful.push(sample);
      else onSample(sample);
      if (connection.unanswered) lingerMs = LINGER_MS;
      const next = await connection.again(lingerMs);
      kept = next === 'ready';
      if (kept) continue;
      // Not by us, at the end.
      if (next === 'closed' && !end.signal.aborted) {
        closes++;
        lingerMs = LINGER_MS;
      }
      connection.stop('closed');
      connection = undefined;
    }
  };

  const working = Array.from({ length: connections }, () =>
    work().catch((error) => {
      stop();
      throw error;
    }),
  );
  const done = await Promise.allSettled(working);
  clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
  const [failure] = done.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (closes === 0 || failure) for (const sample of doubtful) onSample(sample);
  if (failure) throw failure;
}

function gone({ host }: URL, failed: number, afterMs: number): InputError {
  return new InputError(
    `${host} went away: ${failed} connections had failed after ${(afterMs / 1000).toFixed(1)} s; see whether it still runs.`,
  );
}
