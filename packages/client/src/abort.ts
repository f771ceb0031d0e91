import { setMaxListeners } from 'node:events';

/**
 * Calls `onAbort` once `signal` aborts, or at once when it has.
 *
 * @returns takes the listener away again
 */
export function whenAborted(signal: AbortSignal | undefined, onAbort: () => void): () => void {
  if (!signal) return () => {};
  // One signal for a thousand calls is usual; Node would warn of a leak at the eleventh.
  setMaxListeners(0, signal);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}
