import { ConfigError, type NerError } from './errors.js';

/** Whose fault a failure is. Of a `request` with several texts, one text may be to blame. */
type Fault = 'caller' | 'service' | 'request' | 'limit';

/**
 * What comes next.
 *
 * - `stop`: every call ends with this error, and nothing is settled
 * - `wait`: it is sent again when the rate limit has room
 * - `slow down`: it is sent again later, and fewer requests run at once
 * - `pause`: the service is away. Everybody waits; one probe at a time. An answer that says so again may be a text's doing
 * - `pause briefly`: the same, and it is the caller's fault if that lasts
 * - `split`: it is sent in parts, until a text fails alone and is settled with this error
 * - `split or pause`: `split` once another request, sent after it, was served; until then the service may be away
 * - `split or stop`: the same, but when no other is served either, it is the caller's fault
 */
export type Next =
  | 'stop'
  | 'wait'
  | 'slow down'
  | 'pause'
  | 'pause briefly'
  | 'split'
  | 'split or pause'
  | 'split or stop';

export interface Verdict {
  /** As the documentation has it. */
  what: string;
  is: (error: NerError) => boolean;
  fault: Fault;
  next: Next;
  /** True for what holds only after this client's first good answer; false for what only before it; undefined always. */
  served: boolean | undefined;
}

const row = (what: string, is: Verdict['is'], fault: Fault, next: Next, served?: boolean): Verdict => ({
  what,
  is,
  fault,
  next,
  served,
});
const statuses = (...all: number[]) => {
  const known = new Set(all);
  return ({ status }: NerError) => status !== undefined && known.has(status);
};
const codes = (...all: string[]) => {
  const known = new Set(all);
  return ({ code }: NerError) => known.has(code);
};
const neverServed = statuses(501, 505, 511);

const isAway = ({ status = 0, retryAfterMs }: NerError) =>
  status === 503 || (status >= 500 && retryAfterMs !== undefined);
const isOfNoContract = (error: NerError) =>
  (error.status ?? 500) < 500 || neverServed(error) || ['protocol', 'response_too_large'].includes(error.code);

/** All that can happen to a request. The first row that fits decides. */
export const VERDICTS: readonly Verdict[] = [
  row('an option or the key is wrong', (error) => error instanceof ConfigError, 'caller', 'stop'),
  row("Kong's 429", codes('rate_limited'), 'limit', 'wait'),
  row("Lambda's 429", codes('throttled'), 'service', 'slow down'),
  row('401', statuses(401), 'caller', 'stop'),
  row('TLS that does not verify', codes('untrusted'), 'caller', 'stop'),
  row('no such host', codes('unknown_host'), 'caller', 'stop', false),
  row('no such host', codes('unknown_host'), 'service', 'pause', true),
  row('no connection', codes('unreachable'), 'caller', 'pause briefly', false),
  row('no connection', codes('unreachable'), 'service', 'pause', true),
  row('503; another 5xx with Retry-After', isAway, 'service', 'pause'),
  row('413', statuses(413), 'request', 'split', true),
  row('an answer of more than 8 MiB', codes('response_too_large'), 'request', 'split', true),
  row('408', statuses(408), 'request', 'split or pause'),
  row('3xx, another 4xx, 501, 505, 511; no contract, or no HTTP', isOfNoContract, 'request', 'split or stop'),
  row('500, 502, 504, another 5xx; a time-out; a connection that broke', () => true, 'request', 'split or pause'),
];

/** @param served whether this client has ever had a good answer */
export function judge(error: NerError, served: boolean): Verdict {
  return VERDICTS.find((row) => row.is(error) && (row.served ?? served) === served) as Verdict;
}
