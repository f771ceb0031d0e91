import type { Clock, Wait } from './clock.js';
import { ConnectionError, type NerError, RequestError, TimeoutError } from './errors.js';

export interface RetryPolicy {
  maxAttempts: number;
  attemptTimeoutMs: number;
  deadlineMs: number;
  /**
   * Attempts that may fail as `oneTextMayBeToBlame` tells.
   * @default maxAttempts
   */
  maxBlamed?: number;
}

/** An attempt outlives the gateway, which answers by itself after 45 s. */
export const defaultPolicy: Readonly<RetryPolicy> = {
  maxAttempts: 6,
  attemptTimeoutMs: 50_000,
  deadlineMs: 300_000,
};

const BASE_MS = 1000;
const CAP_MS = 20_000;
const RETRYABLE = new Set([502, 503, 504]);

/** Awaits what is not the request's own time, such as the gateway's next window: the deadline moves by as much. */
export type Untimed = <W>(wait: Promise<W>) => Promise<W>;

/**
 * Sends until an answer stands, attempts are used up or the deadline would pass before the next one.
 *
 * A repeated POST is safe: extracting changes nothing. What the gateway's limit refused (`rate_limited`) was no attempt
 * and is sent again at once: `send` waits for the budget, which that refusal has closed. What Lambda throttled
 * (`throttled`) is for the caller to send again, in another slot.
 *
 * @param send one attempt; its number counts from 1, `timeoutMs` is what it may take once its `untimed` waits are over
 * @param onWait called before each wait
 * @throws the last attempt's error
 */
export async function retry<T>(
  send: (attempt: number, timeoutMs: number, untimed: Untimed) => Promise<T>,
  policy: RetryPolicy,
  clock: Clock,
  signal: AbortSignal | undefined,
  onWait: (wait: Wait) => void = () => {},
): Promise<T> {
  let deadline = clock.now() + policy.deadlineMs;
  const untimed: Untimed = async (wait) => {
    const began = clock.now();
    try {
      return await wait;
    } finally {
      deadline += clock.now() - began;
    }
  };
  const { maxAttempts, maxBlamed = maxAttempts } = policy;
  let attempt = 1;
  let blamed = 0;
  for (;;) {
    try {
      return await send(attempt, Math.min(policy.attemptTimeoutMs, deadline - clock.now()), untimed);
    } catch (error) {
      if (error instanceof RequestError && error.code === 'rate_limited') continue;
      if (oneTextMayBeToBlame(error)) blamed++;
      if (!isRetryable(error) || attempt >= maxAttempts || blamed >= maxBlamed) throw error;
      const ms = backOff(attempt++, error, clock.random());
      if (clock.now() + ms >= deadline) throw error;
      onWait({ ms, reason: `after ${(error as NerError).code}, to try again` });
      await clock.sleep(ms, signal);
    }
  }
}

/** 502, 504 or a time-out: what a text that kills the function, or takes it too long, looks like from outside. */
function oneTextMayBeToBlame(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof RequestError && [502, 504].includes(error.status));
}

function isRetryable(error: unknown): boolean {
  if (error instanceof RequestError) return RETRYABLE.has(error.status);
  if (error instanceof ConnectionError) return error.code === 'connection_lost' || error.code === 'unreachable';
  return error instanceof TimeoutError;
}

/**
 * Half fixed, half by chance: callers spread, and six attempts still last for 15.5 s at least, however fast each fails,
 * so that a cold start of 12 s is outlived for certain. Full jitter alone may use them all up in a moment. Never less
 * than Retry-After asks for.
 */
export function backOff(failures: number, error: unknown, random: number): number {
  const asked = error instanceof RequestError ? (error.retryAfterMs ?? 0) : 0;
  const half = Math.min(CAP_MS, BASE_MS * 2 ** (failures - 1)) / 2;
  return Math.max(asked, half) + random * half;
}
