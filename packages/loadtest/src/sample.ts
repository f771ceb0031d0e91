import type { IncomingHttpHeaders } from 'node:http';

/**
 * What became of a request. Every request has exactly one, so the counts add up to what was sent.
 *
 * - `ok`: 2xx, complete.
 * - `kong-429`: the gateway's rate limit. `lambda-429`: the function's concurrency.
 * - `4xx`: any other answer from 300 to 499 (redirects are not followed). `5xx`: 500 and more.
 * - `timeout`: no complete answer in time. `connection-error`: the connection ended without one.
 * - `cut`: the run was stopped, or its time was over, before the answer.
 */
export const OUTCOMES = ['ok', 'kong-429', 'lambda-429', '4xx', '5xx', 'timeout', 'connection-error', 'cut'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Whether the answer came from a cold start, by its own header; `unknown` when it does not say. */
export const STARTS = ['cold', 'warm', 'unknown'] as const;
export type Start = (typeof STARTS)[number];

/** What an answer's status line and headers say. */
export interface Answer {
  /** HTTP status; null without an answer. */
  status: number | null;
  /** From `x-ner-cold-start`. Never guessed from latency. */
  start: Start;
  /** `x-ner-init-type`: on-demand, provisioned, snapstart or proactive. */
  initType: string | null;
  /** `x-ner-instance`: which execution environment answered. */
  instance: string | null;
  /** `x-request-id`. */
  requestId: string | null;
  /** Initialisation of the execution environment, ms, from `server-timing`. */
  initMs: number | null;
  /** Loading the model, ms, from `server-timing`. */
  loadMs: number | null;
  /** Recognition itself, ms, from `server-timing`. */
  nerMs: number | null;
  /** Time inside Kong, ms, from `x-kong-proxy-latency` or, for Kong's own answers, `x-kong-response-latency`. */
  kongMs: number | null;
  /** Kong's wait for the function, ms, from `x-kong-upstream-latency`. */
  upstreamMs: number | null;
}

/** One request, kept whole. Times are ms since the run's first release, on a monotonic clock. */
export interface Sample extends Answer {
  /** Position in the run, from 0. */
  index: number;
  /** When it should have left. */
  intendedMs: number;
  /** When it was written to its socket. */
  sentMs: number;
  /** When the first byte of the answer was read. */
  firstByteMs: number | null;
  /** When the last byte of the answer was read. */
  lastByteMs: number | null;
  outcome: Outcome;
  /** Why there is no complete answer: a system error code such as ECONNRESET, or `no answer`, `incomplete answer`. */
  error: string | null;
}

/** From the request's write to the answer's last byte, ms. Null unless the outcome is `ok`. */
export function latencyMs(sample: Sample): number | null {
  return sample.outcome === 'ok' && sample.lastByteMs !== null ? sample.lastByteMs - sample.sentMs : null;
}

/** The answer of a request that got none. */
export const NO_ANSWER: Answer = {
  status: null,
  start: 'unknown',
  initType: null,
  instance: null,
  requestId: null,
  initMs: null,
  loadMs: null,
  nerMs: null,
  kongMs: null,
  upstreamMs: null,
};

/** Reads what a complete answer says about itself. */
export function readAnswer(status: number, headers: IncomingHttpHeaders): Answer {
  const text = (name: string) => headers[name]?.toString() ?? null;
  const number = (value: string | null | undefined) => (value && Number.isFinite(Number(value)) ? Number(value) : null);
  const cold = text('x-ner-cold-start');
  const timing = new Map(
    Array.from((text('server-timing') ?? '').matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g), ([, name, ms]) => [name, ms]),
  );
  return {
    status,
    start: cold === '1' ? 'cold' : cold === '0' ? 'warm' : 'unknown',
    initType: text('x-ner-init-type'),
    instance: text('x-ner-instance'),
    requestId: text('x-request-id'),
    initMs: number(timing.get('init')),
    loadMs: number(timing.get('load')),
    nerMs: number(timing.get('ner')),
    kongMs: number(text('x-kong-proxy-latency') ?? text('x-kong-response-latency')),
    upstreamMs: number(text('x-kong-upstream-latency')),
  };
}

/** The outcome of a request whose answer is complete. */
export function outcomeOf(status: number, headers: IncomingHttpHeaders): Outcome {
  if (status < 300) return 'ok';
  if (status >= 500) return '5xx';
  if (status !== 429) return '4xx';
  // Kong 3.9 puts this header on its own answers alone; what it passes on has Via in its place.
  return headers['x-kong-response-latency'] === undefined ? 'lambda-429' : 'kong-429';
}
