import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';

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

/**
 * What the answer's own headers say of its start; never guessed from latency.
 *
 * - `cold`: `x-ner-cold-start: 1`: the request waited for its execution environment to initialise.
 * - `ahead`: not cold, and the environment was initialised before anybody asked (`x-ner-init-type` `provisioned` or
 *   `proactive`).
 * - `warm`: not cold, in an environment that an earlier request initialised.
 * - `unknown`: the headers do not say, or there is no answer.
 */
export const STARTS = ['cold', 'ahead', 'warm', 'unknown'] as const;
export type Start = (typeof STARTS)[number];

const ms = z.number().nullable();
const word = z.string().nullable();

const ANSWER = z.object({
  /** HTTP status; null without an answer. */
  status: z.number().nullable(),
  start: z.enum(STARTS),
  /** `x-ner-init-type`: on-demand, provisioned, snapstart or proactive. */
  initType: word,
  /** `x-ner-instance`: which execution environment answered. */
  instance: word,
  /** `x-ner-model`: name and version. */
  model: word.default(null),
  /** `x-request-id`: the gateway's, or Lambda's where no gateway gave one. */
  requestId: word,
  /** `x-amzn-requestid`: Lambda's own, which its REPORT line carries. */
  lambdaRequestId: word,
  /** Initialisation of the execution environment, ms, from `server-timing`. */
  initMs: ms,
  /** Loading the model, ms, from `server-timing`. */
  loadMs: ms,
  /** Recognition itself, ms, from `server-timing`. */
  nerMs: ms,
  /** Time inside Kong, ms, from `x-kong-proxy-latency` or, for Kong's own answers, `x-kong-response-latency`. */
  kongMs: ms,
  /** Kong's wait for the function, ms, from `x-kong-upstream-latency`. */
  upstreamMs: ms,
  /** Requests a window that the key may send, from `ratelimit-limit`. */
  limit: ms,
  /** What was left of it, from `ratelimit-remaining`; within a burst Kong counts late, so it reads too high. */
  remaining: ms,
  /** Seconds to the next window, 1 to 60, from `ratelimit-reset`. */
  resetS: ms,
});
/** What an answer's status line and headers say. */
export type Answer = z.infer<typeof ANSWER>;

export const SAMPLE = ANSWER.extend({
  /** Which burst, from 0; 0 in a run without bursts. */
  burst: z.number(),
  /** Position in its burst, from 0. */
  index: z.number(),
  /** How many documents it carried. */
  documents: z.number().default(1),
  /** Of all of them, code points; null where nobody noted it. */
  characters: ms.default(null),
  /** Of its body; null where nobody noted it. */
  bytes: ms.default(null),
  /** When it should have left. */
  intendedMs: z.number(),
  /** When it was written to its socket. */
  sentMs: z.number(),
  /** When the first byte of the answer was read, or of an interim one (1xx) before it. */
  firstByteMs: ms,
  /** When the last byte of the answer was read. */
  lastByteMs: ms,
  outcome: z.enum(OUTCOMES),
  /**
   * Why there is no complete answer: a system error code such as ECONNRESET, or `no answer`, `incomplete answer`,
   * `answer too large` (8 MiB), `answer before the request`.
   */
  error: word,
  /** From Lambda's REPORT line, where a log was joined, ms: the handler's time. */
  durationMs: ms,
  /** From Lambda's REPORT line, ms: what is billed, initialisation included. */
  billedMs: ms,
  /** From Lambda's REPORT line, ms: initialisation, with the start of Python. */
  reportInitMs: ms,
});
/** One request, kept whole. Times are ms since its burst's release (since the start of a run without bursts), monotonic. */
export type Sample = z.infer<typeof SAMPLE>;

/**
 * Where a latency starts. `sent`: bursts, whose requests leave within the spread that is printed, and a closed loop.
 * `intended`: an open model, where a request that leaves late has waited.
 */
export type LatencyFrom = 'sent' | 'intended';

/** Of a run's mode. */
export const latencyFrom = (mode: 'bursts' | 'rate' | 'sustained'): LatencyFrom =>
  mode === 'rate' ? 'intended' : 'sent';

/** To the answer's last byte, ms. Null unless the outcome is `ok`. */
export function latencyMs(
  { outcome, lastByteMs, sentMs, intendedMs }: Pick<Sample, 'outcome' | 'lastByteMs' | 'sentMs' | 'intendedMs'>,
  from: LatencyFrom,
): number | null {
  if (outcome !== 'ok' || lastByteMs === null) return null;
  return lastByteMs - (from === 'sent' ? sentMs : intendedMs);
}

/** What a REPORT line says of a request, before one was joined. */
export const NO_REPORT = { durationMs: null, billedMs: null, reportInitMs: null } as const;

const AHEAD = new Set(['provisioned', 'proactive']);

/** Reads what a complete answer says about itself. */
export function readAnswer(status: number, headers: IncomingHttpHeaders): Answer {
  const text = (name: string) => headers[name]?.toString() ?? null;
  const number = (value: string | null | undefined) => (value && Number.isFinite(Number(value)) ? Number(value) : null);
  const cold = text('x-ner-cold-start');
  const initType = text('x-ner-init-type');
  const timing = new Map(
    Array.from((text('server-timing') ?? '').matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g), ([, name, ms]) => [name, ms]),
  );
  return {
    status,
    start: cold === '1' ? 'cold' : cold === '0' ? (AHEAD.has(initType ?? '') ? 'ahead' : 'warm') : 'unknown',
    initType,
    instance: text('x-ner-instance'),
    model: text('x-ner-model'),
    requestId: text('x-request-id'),
    lambdaRequestId: text('x-amzn-requestid'),
    initMs: number(timing.get('init')),
    loadMs: number(timing.get('load')),
    nerMs: number(timing.get('ner')),
    kongMs: number(text('x-kong-proxy-latency') ?? text('x-kong-response-latency')),
    upstreamMs: number(text('x-kong-upstream-latency')),
    limit: number(text('ratelimit-limit')),
    remaining: number(text('ratelimit-remaining')),
    resetS: number(text('ratelimit-reset')),
  };
}

/** The answer of a request that got none. */
export const NO_ANSWER: Answer = { ...readAnswer(0, {}), status: null };

/** The outcome of a request whose answer is complete. */
export function outcomeOf(status: number, headers: IncomingHttpHeaders): Outcome {
  if (status < 300) return 'ok';
  if (status >= 500) return '5xx';
  if (status !== 429) return '4xx';
  // Kong 3.9 puts this header on its own answers alone; what it passes on has Via in its place.
  return headers['x-kong-response-latency'] === undefined ? 'lambda-429' : 'kong-429';
}
