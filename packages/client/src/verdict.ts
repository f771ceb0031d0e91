import { ConfigError, type NerError, SERVICE_CODES } from './errors.js';

/** Whose fault a failure is. Of a `request` with several texts, one text may be to blame. */
export type Fault = 'caller' | 'service' | 'request' | 'limit';

/**
 * What comes next.
 *
 * - `stop`: every call ends with this error, and nothing is settled
 * - `wait`: it is sent again when the rate limit has room
 * - `slow down`: it is sent again later, and fewer requests run at once
 * - `pause`: the service is away. Everybody waits; one probe at a time
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
  fault: Fault;
  next: Next;
}

interface Row extends Verdict {
  /** As the documentation has it. */
  what: string;
  is: (error: NerError) => boolean;
  /** True for a row that holds only after this client's first good answer; false for one only before it. */
  served?: boolean;
}

const statuses = (...all: number[]) => {
  const known = new Set(all);
  return ({ status }: NerError) => status !== undefined && known.has(status);
};
const codes = (...all: string[]) => {
  const known = new Set(all);
  return ({ code }: NerError) => known.has(code);
};
const fromService = codes(...SERVICE_CODES);

/** All that can happen to a request. The first row that fits decides. */
export const VERDICTS: readonly Row[] = [
  { what: 'an option or the key is wrong', is: (error) => error instanceof ConfigError, fault: 'caller', next: 'stop' },
  { what: "Kong's 429", is: codes('rate_limited'), fault: 'limit', next: 'wait' },
  { what: "Lambda's 429", is: codes('throttled'), fault: 'service', next: 'slow down' },
  { what: '401', is: statuses(401), fault: 'caller', next: 'stop' },
  { what: 'TLS that does not verify', is: codes('untrusted'), fault: 'caller', next: 'stop' },
  { what: 'no such host', is: codes('unknown_host'), served: false, fault: 'caller', next: 'stop' },
  { what: 'no such host', is: codes('unknown_host'), served: true, fault: 'service', next: 'pause' },
  { what: 'no connection', is: codes('unreachable'), served: false, fault: 'caller', next: 'pause briefly' },
  { what: 'no connection', is: codes('unreachable'), served: true, fault: 'service', next: 'pause' },
  { what: '503', is: statuses(503), fault: 'service', next: 'pause' },
  { what: '3xx', is: ({ status = 0 }) => status >= 300 && status <= 399, fault: 'caller', next: 'stop' },
  {
    what: '405, 407, 411, 415, 426, 501, 505, 511',
    is: statuses(405, 407, 411, 415, 426, 501, 505, 511),
    fault: 'caller',
    next: 'stop',
  },
  { what: '413', is: statuses(413), fault: 'request', next: 'split' },
  { what: 'an answer of more than 8 MiB', is: codes('response_too_large'), fault: 'request', next: 'split' },
  { what: '408', is: statuses(408), fault: 'request', next: 'split or pause' },
  {
    what: "another 4xx with the service's own code",
    is: (error) => is4xx(error) && fromService(error),
    fault: 'request',
    next: 'split',
  },
  {
    what: '403, 404, another 4xx, a 2xx that is not the contract',
    is: (error) => is4xx(error) || error.code === 'protocol',
    fault: 'request',
    next: 'split or stop',
  },
  {
    what: '500, 502, 504, another 5xx; a time-out; a connection that broke',
    is: () => true,
    fault: 'request',
    next: 'split or pause',
  },
];

/** @param served whether this client has ever had a good answer */
export function judge(error: NerError, served: boolean): Verdict {
  return VERDICTS.find((row) => row.is(error) && (row.served ?? served) === served) as Row;
}

function is4xx({ status = 0 }: NerError): boolean {
  return status >= 400 && status <= 499;
}
