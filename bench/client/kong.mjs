// Kong's rate-limiting plugin (3.9, policy local) before one upstream, in the time of a given clock. It checks first and
// counts later, its windows are of the calendar and its time is in whole seconds, as recorded from a real gateway.

/** @typedef {'second' | 'minute' | 'hour' | 'day' | 'month' | 'year'} Period */
/** @typedef {{ status: number, headers: Map<string, string>, header: (name: string) => string | undefined }} Answer */
/** A status, or how a connection fails. @typedef {number | 'reset' | 'refused' | 'unknown host'} Outage */
/** @typedef {{ now: () => number, sleep: (ms: number, signal?: AbortSignal) => Promise<void> }} Time ms */

const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400, month: 2_592_000, year: 31_536_000 };

/** The gateway's time when a clock shows 0, plus the second of the minute to start at: a Monday, 09:00. */
export const NINE = Date.UTC(2026, 10, 23, 9);

export class Kong {
  /** Requests a window; may be changed while it runs. @type {Partial<Record<Period, number>>} */
  limits;
  /** Answers by status, of all. @type {Map<number, number>} */
  statuses = new Map();
  /** The most requests under way at the upstream at once. */
  peak = 0;
  #open = 0;
  #time;
  #options;
  /** @type {Map<string, number>} */
  #counters = new Map();

  /**
   * @param {Time} time
   * @param {object} options
   * @param {Partial<Record<Period, number>>} [options.limits]
   * @param {(local: number) => number} [options.server] the gateway's time in ms since 1970 by the local one in ms
   * @param {() => number} [options.service] ms that the upstream takes
   * @param {() => number} [options.way] ms from here to the gateway, or back
   * @param {() => number} [options.lag] ms between check and count
   * @param {number} [options.skew] ms that the upstream's Date is ahead of the gateway
   * @param {'none' | 'periods' | 'all'} [options.hidden] which headers of the limit are missing
   * @param {(local: number) => Outage | undefined} [options.outage] what there is instead of the upstream, or of the gateway
   * @param {number} [options.retryAfter] s, what an outage's answer asks to wait
   */
  constructor(time, options) {
    this.#time = time;
    this.#options = options;
    this.limits = options.limits ?? { minute: 100 };
  }

  /** @param {number} status */
  count(status) {
    return this.statuses.get(status) ?? 0;
  }

  /** Uses the budget up as another client with the same key would. @param {number} requests */
  async others(requests) {
    for (let i = 0; i < requests; i++) this.#add(this.#seconds());
  }

  /**
   * @param {number} [took] ms that the upstream takes for this one, and says so
   * @param {() => void} [onAdmitted] called when the limit lets it through
   * @returns {Promise<Answer>} rejects when the connection fails
   */
  async request(took, onAdmitted) {
    const { way = () => 10, service = () => 200, lag = () => 0, skew = 0, hidden = 'none' } = this.#options;
    const before = this.#options.outage?.(this.#time.now());
    if (before === 'unknown host') throw failed('ENOTFOUND');
    await this.#time.sleep(way());
    if (before === 'refused') throw failed('ECONNREFUSED');
    const arrived = this.#seconds();
    /** @type {Map<string, string>} */
    const headers = new Map();
    /** @type {Period | undefined} */
    let stop;
    for (const [period, limit] of this.#limits()) if (limit - this.#used(period, arrived) <= 0) stop = period;
    if (hidden !== 'all') this.#tell(headers, arrived, stop);
    if (stop) {
      headers.set('x-kong-response-latency', '0');
      const reset = headers.get('ratelimit-reset');
      if (reset) headers.set('retry-after', reset);
      headers.set('date', new Date(this.#now()).toUTCString());
      return this.#answer(429, headers);
    }
    onAdmitted?.();
    const delay = lag();
    if (delay > 0) this.#time.sleep(delay).then(() => this.#add(arrived));
    else this.#add(arrived);
    const outage = this.#options.outage?.(this.#time.now());
    const ms = outage === undefined ? (took ?? service()) : 5;
    this.peak = Math.max(this.peak, ++this.#open);
    await this.#time.sleep(ms);
    this.#open--;
    if (outage !== undefined && typeof outage !== 'number') throw failed('ECONNRESET');
    if (outage !== undefined && this.#options.retryAfter) headers.set('retry-after', String(this.#options.retryAfter));
    if (outage === undefined && took !== undefined) headers.set('server-timing', `ner;dur=${took}`);
    headers.set('via', '1.1 kong/3.9.3');
    headers.set('x-kong-upstream-latency', String(Math.floor(ms)));
    headers.set('x-kong-proxy-latency', '0');
    headers.set('date', new Date(this.#now() + skew).toUTCString());
    return this.#answer(outage ?? 200, headers);
  }

  /** @param {number} status @param {Map<string, string>} headers */
  async #answer(status, headers) {
    this.statuses.set(status, this.count(status) + 1);
    if (this.#options.hidden === 'periods') {
      for (const name of headers.keys()) if (name.startsWith('x-ratelimit-')) headers.delete(name);
    }
    await this.#time.sleep((this.#options.way ?? (() => 10))());
    return { status, headers, header: (/** @type {string} */ name) => headers.get(name) };
  }

  /** @param {Map<string, string>} headers @param {number} arrived @param {Period | undefined} stop */
  #tell(headers, arrived, stop) {
    /** @type {{ limit: number, remaining: number, seconds: number, reset: number } | undefined} */
    let tightest;
    for (const [period, limit] of this.#limits()) {
      const left = limit - this.#used(period, arrived) - (stop === undefined || stop === period ? 1 : 0);
      const remaining = Math.max(0, left);
      headers.set(`x-ratelimit-limit-${period}`, String(limit));
      headers.set(`x-ratelimit-remaining-${period}`, String(remaining));
      const seconds = SECONDS[period];
      if (
        !tightest ||
        remaining < tightest.remaining ||
        (remaining === tightest.remaining && seconds > tightest.seconds)
      ) {
        const reset = Math.max(1, seconds - (arrived - start(period, arrived)));
        tightest = { limit, remaining, seconds, reset };
      }
    }
    if (!tightest) return;
    headers.set('ratelimit-limit', String(tightest.limit));
    headers.set('ratelimit-remaining', String(tightest.remaining));
    headers.set('ratelimit-reset', String(tightest.reset));
  }

  #limits() {
    return /** @type {[Period, number][]} */ (Object.entries(this.limits));
  }

  #now() {
    const { server = (local) => NINE + local } = this.#options;
    return server(this.#time.now());
  }

  #seconds() {
    return Math.floor(this.#now() / 1000);
  }

  /** @param {Period} period @param {number} at */
  #used(period, at) {
    return this.#counters.get(`${period} ${start(period, at)}`) ?? 0;
  }

  /** @param {number} at */
  #add(at) {
    for (const period of /** @type {Period[]} */ (Object.keys(SECONDS))) {
      this.#counters.set(`${period} ${start(period, at)}`, this.#used(period, at) + 1);
    }
  }
}

/** @param {string} code */
function failed(code) {
  return Object.assign(new Error(code), { code });
}

/**
 * @param {Period} period
 * @param {number} at seconds since 1970
 * @returns {number} when its window began
 */
function start(period, at) {
  const iso = new Date(at * 1000).toISOString();
  if (period === 'year') return Date.parse(`${iso.slice(0, 4)}-01-01T00:00:00Z`) / 1000;
  if (period === 'month') return Date.parse(`${iso.slice(0, 7)}-01T00:00:00Z`) / 1000;
  return at - (at % SECONDS[period]);
}
