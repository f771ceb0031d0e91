import { setMaxListeners } from 'node:events';

/**
 * `promise`, or a rejection with `signal.reason` as soon as that aborts. What the promise stands for goes on; its
 * result is dropped. No listener stays behind.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  // One signal for a thousand calls is usual; Node would warn of a leak at the eleventh.
  setMaxListeners(0, signal);
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
