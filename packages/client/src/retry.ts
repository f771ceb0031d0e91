import { setTimeout as wait } from 'node:timers/promises';
import { ConnectionError, RequestError, TimeoutError } from './errors.js';

/** Where time and chance come from; tests pass their own. */
export interface Clock {
  /** Now, in ms. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Resolves after `ms`; rejects at once with `signal.reason` on abort. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: Math.random,
  async sleep(ms, signal) {
    try {
      await wait(ms, undefined, { signal });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

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
const RETRYABLE = new Set([429, 502, 503, 504]);

/**
 * Sends until an answer stands, attempts are used up or the deadline would pass before the next one.
 *
 * A repeated POST is safe: extracting changes nothing.
 *
 * @param send one attempt; its number counts from 1, `timeoutMs` is what it may take
 * @throws the last attempt's error
 */
export async function retry<T>(
  send: (attempt: number, timeoutMs: number) => Promise<T>,
  policy: RetryPolicy,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<T> {
  const deadline = clock.now() + policy.deadlineMs;
  const { maxAttempts, maxBlamed = maxAttempts } = policy;
  let blamed = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(attempt, Math.min(policy.attemptTimeoutMs, deadline - clock.now()));
    } catch (error) {
      if (oneTextMayBeToBlame(error)) blamed++;
      if (!isRetryable(error) || attempt >= maxAttempts || blamed >= maxBlamed) throw error;
      const ms = delay(attempt, error, clock.random());
      if (clock.now() + ms >= deadline) throw error;
      await clock.sleep(ms, signal);
    }
  }
}

/** 502, 504 or a time-out: what a text that kills the function, or takes it too long, looks like from outside. */
export function oneTextMayBeToBlame(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof RequestError && [502, 504].includes(error.status));
}

function isRetryable(error: unknown): boolean {
  if (error instanceof RequestError) return RETRYABLE.has(error.status);
  if (error instanceof ConnectionError) return error.code === 'connection_lost' || error.code === 'unreachable';
  return error instanceof TimeoutError;
}

/** Full jitter, on top of what Retry-After asks for: never earlier, and not all callers at the same moment. */
function delay(attempt: number, error: unknown, random: number): number {
  const asked = error instanceof RequestError ? (error.retryAfterMs ?? 0) : 0;
  return asked + random * Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
}
