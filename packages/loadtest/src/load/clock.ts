import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

/** Waits so many ms, or until the signal is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, signal && { signal }).catch(() => {});
}

/**
 * Waits until `performance.now()` is there, or until the signal is aborted.
 *
 * A timer of Node is late by up to 1 ms, which is 2 % of a 50 ms answer. So the last one or two ms are spent turning the
 * event loop, which reads answers all the same.
 */
export async function instant(at: number, signal?: AbortSignal): Promise<void> {
  await pause(Math.floor(at - performance.now()) - 1, signal);
  while (performance.now() < at && !signal?.aborted) await turn();
}
