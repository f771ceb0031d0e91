import { isLoopback } from './loopback.js';
import { encodeRequest, type Load } from './requests.js';

/** What autocannon says of the same target. */
export interface CrossCheck {
  /** Answers of any status, and requests without one. */
  answers: number;
  errors: number;
  /** Median over all answers, whole ms; null without any. */
  p50: number | null;
}

/**
 * One burst of n by autocannon: as many connections as requests, in a fresh instance.
 *
 * Version 9 is right where each of its connections sends one request. It keeps one parser over its connections' lives and
 * counts interim answers, its rates are corrected in mixed units, and it verifies no certificate.
 *
 * @returns why it would say something wrong, a sentence, in place of what it says
 */
export async function crossCheck(load: Load, mode: string, n: number): Promise<CrossCheck | string> {
  const { url } = load;
  if (mode !== 'bursts') return 'autocannon is right for one request a connection alone: cross-check a burst';
  if (url.protocol === 'https:' && !isLoopback(url)) return 'autocannon verifies no certificate: it gets no key';
  // Refuses a key that no header can carry.
  encodeRequest(load, load.requests.nth(0));
  // Imported here: nothing else needs it, and it is slow to load.
  const { default: autocannon } = await import('autocannon');
  const found = await autocannon({
    url: url.href,
    method: 'POST',
    headers: { apikey: load.apiKey, 'content-type': 'application/json' },
    body: load.requests.nth(0).body,
    connections: n,
    amount: n,
    timeout: Math.max(1, (load.timeoutMs ?? 60_000) / 1000),
  });
  const answers = found['1xx'] + found['2xx'] + found['3xx'] + found['4xx'] + found['5xx'];
  return { answers, errors: found.errors, p50: answers > 0 ? found.latency.p50 : null };
}
