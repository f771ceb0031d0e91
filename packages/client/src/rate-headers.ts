import { PERIODS, type Period } from './server-clock.js';

/** The part of an answer that tells about the gateway's budget. */
export interface Answered {
  status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
}

export interface RateLimit {
  /** Requests a window. */
  limit: number;
  /** How many are left after this one; too many while the gateway has not counted those beside it. */
  remaining: number;
}

/** What an answer says of the gateway's limits. */
export interface RateLimits {
  byPeriod: Map<Period, RateLimit>;
  /** Whether `byPeriod` has every limit there is. */
  complete: boolean;
  /** To the end of the window of `period` when the request arrived. */
  reset: { period: Period; seconds: number } | undefined;
}

const NAMES = Object.keys(PERIODS) as Period[];

/** Kong tells every limit in X-RateLimit-*-<Period>, and the tightest in RateLimit-*; all can be switched off. */
export function readLimits(reply: Answered): RateLimits {
  const byPeriod = new Map<Period, RateLimit>();
  for (const period of NAMES) {
    const limit = whole(reply, `x-ratelimit-limit-${period}`);
    const remaining = whole(reply, `x-ratelimit-remaining-${period}`);
    if (limit !== undefined && remaining !== undefined) byPeriod.set(period, { limit, remaining });
  }
  const complete = byPeriod.size > 0;
  const limit = whole(reply, 'ratelimit-limit');
  const remaining = whole(reply, 'ratelimit-remaining');
  const seconds = whole(reply, 'ratelimit-reset');
  if (limit === undefined || remaining === undefined || seconds === undefined) {
    return { byPeriod, complete, reset: undefined };
  }
  const isTightest = (name: Period) => {
    const told = byPeriod.get(name);
    return told?.limit === limit && told.remaining === remaining;
  };
  // Of two that are as tight, Kong names the longer one. Where it names none, it is the shortest that fits: where that is
  // wrong, in the last minute of an hour say, both windows end together.
  const period = complete ? NAMES.findLast(isTightest) : NAMES.find((name) => seconds * 1000 <= PERIODS[name]);
  if (period && !complete) byPeriod.set(period, { limit, remaining });
  return { byPeriod, complete, reset: period && { period, seconds } };
}

/**
 * True when the gateway's own rate limit refused the request: it counted nothing and asked nobody. A 429 of the function
 * came through the gateway, which adds Via to what it proxies, and X-Kong-Response-Latency only to its own answers: by
 * that they are known where another proxy adds a Via; or, where that is hidden, by a Retry-After with nothing remaining.
 */
export function refusedByGateway(reply: Answered): boolean {
  const own = reply.header('via') === undefined || reply.header('x-kong-response-latency') !== undefined;
  const exhausted = reply.header('ratelimit-remaining') === '0' && reply.header('retry-after') !== undefined;
  // The plugin's error_code may be another than 429.
  return reply.status === 429 ? own || exhausted : own && exhausted;
}

/**
 * Retry-After in ms. A fraction of a second is rounded up. A date counts from the answer's own Date, so that a local clock
 * that is wrong does no harm. Undefined for what is neither: Date.parse would take "32.7" for a month.
 */
export function retryAfterMs(reply: Answered): number | undefined {
  const value = reply.header('retry-after')?.trim() ?? '';
  if (/^\d{1,12}(\.\d*)?$/.test(value)) return Math.ceil(Number(value)) * 1000;
  const ms = /^[A-Za-z]{3,9},? /.test(value) ? dateMs(value) - (date(reply) ?? Date.now()) : Number.NaN;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** The answer's Date, in ms since 1970. Kong passes the upstream's on. */
export function date(reply: Answered): number | undefined {
  const ms = dateMs(reply.header('date') ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** Of HTTP's three forms of a date that of asctime, which ends by the year, does not say that it is in GMT. */
const dateMs = (value: string) => Date.parse(/ \d{4}$/.test(value) ? `${value} GMT` : value);

/** How long the gateway waited for the upstream at least, in ms; it tells whole ones. */
export function upstreamMs(reply: Answered): number {
  return Math.max(0, (whole(reply, 'x-kong-upstream-latency') ?? 0) - 1);
}

function whole(reply: Answered, name: string): number | undefined {
  const value = reply.header(name)?.trim() ?? '';
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
