import type { Clock } from './clock.js';
import type { Interval } from './pace.js';
import {
  type Answered,
  date,
  type RateLimits,
  readLimits,
  refusedByGateway,
  retryAfterMs,
  upstreamMs,
} from './rate-headers.js';
import { type Place, RateWindow, type Sharing } from './rate-window.js';
import { PERIODS, type Period, ServerClock, windowStart } from './server-clock.js';

/** The right to send one request, once. Exactly one of the three is called, and once. */
export interface Ticket {
  /** What the gateway's answer said about the budget. */
  answered(reply: Answered): void;
  /** No answer came: reset, time-out, refused connection. The gateway may have counted it. */
  unanswered(): void;
  /** Nothing was sent after all. */
  release(): void;
}

/** What is known of one limit of the gateway in the window of now. */
export interface Usage {
  period: Period;
  /** Requests a window. */
  limit: number;
  /** Requests of this window so far, those of others on the same key included. */
  used: number;
  /** ms */
  resetsInMs: number;
}

interface Sent {
  at: number;
  places: Map<RateWindow, Place>;
}

/** Until when nothing may be sent, and why. Infinity: until an answer comes. */
export interface Closed {
  until: number;
  /** For people, e.g. "100 of 100 used this minute". */
  reason: string;
}

const SHORTEST_PAUSE_MS = 1000;
// Whatever Retry-After says: then one request looks again.
const LONGEST_PAUSE_MS = 86_400_000;
const LONGEST_BLIND_WAIT_MS = 3_600_000;
const MINUTE_MS = 60_000;
// How far apart processes that share a key start into a new window.
const SPREAD_MS = 1000;

/**
 * Paces requests by the limits that Kong's rate-limiting plugin tells of in its answers, so that it refuses none: counts
 * what is sent in each of its calendar windows. Kong checks first and counts later, so what its answers say remains is
 * only ever a bound; our own count rules, and the answers show what others on the same key use.
 */
export class RateBudget {
  readonly #sharing: Sharing;
  readonly #server = new ServerClock();
  readonly #windows = new Map<Period, RateWindow>();
  readonly #inFlight = new Set<Sent>();
  /** Until the first answer one request is out at a time: there may be a limit, and nothing left of it. */
  #probing = true;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** Refusals without a word on how long, one after another. */
  #blind = 0;

  constructor(
    private readonly clock: Clock,
    share: number,
    slots: number,
  ) {
    this.#sharing = { share, slots, random: () => clock.random() };
  }

  /** Every limit as known now. Empty while none is. */
  usage(): Usage[] {
    const now = this.clock.now();
    return this.#roll(now).map((window) => ({
      period: window.period,
      limit: window.limit,
      used: window.used,
      resetsInMs: Math.max(0, this.#server.whenSurely(window.end) - now),
    }));
  }

  /** Between two requests, as the tightest limits allow; undefined while there is none. */
  get interval(): Interval | undefined {
    const now = this.clock.now();
    const all = this.#roll(now).map((it) => it.interval(this.#server.whenSurely(it.end) - now));
    if (all.length === 0) return undefined;
    const most = (of: keyof Interval) => Math.max(...all.map((it) => it[of]));
    return { window: most('window'), left: most('left') };
  }

  /** Whether a request may be sent now; undefined when it may. Others, or an answer, can change it before `until`. */
  closed(): Closed | undefined {
    const now = this.clock.now();
    const windows = this.#roll(now);
    if (this.#probing && this.#inFlight.size > 0) {
      return { until: Number.POSITIVE_INFINITY, reason: 'the first answer tells the limit' };
    }
    let opens = now;
    let reason = 'the gateway asks to wait';
    const server = this.#server.known ? this.#server.earliest(now) : Number.NEGATIVE_INFINITY;
    for (const window of windows) {
      if (window.looks(this.#inFlight.size)) {
        return { until: Number.POSITIVE_INFINITY, reason: 'others use this key: the next answer tells how much' };
      }
      const at = window.opensAt(this.#inFlight.size);
      if (at <= server) continue;
      const sure = Math.max(this.#server.whenSurely(at), now + 1);
      if (sure <= opens) continue;
      opens = sure;
      reason = window.reason;
    }
    const until = Math.max(opens, this.#pausedUntil);
    return until > now ? { until, reason } : undefined;
  }

  /** Counts a request that is sent now. */
  issue(): Ticket {
    const now = this.clock.now();
    const sent: Sent = { at: now, places: new Map() };
    for (const window of this.#windows.values()) sent.places.set(window, window.send(this.#server.earliest(now)));
    this.#inFlight.add(sent);
    const settle = (learn = () => {}) => {
      learn();
      this.#inFlight.delete(sent);
    };
    return {
      answered: (reply) => settle(() => this.#learn(sent, reply)),
      unanswered: () => settle(),
      release: () =>
        settle(() => {
          for (const window of this.#windows.values()) window.ours--;
        }),
    };
  }

  /** Begins the windows that have begun by the gateway's clock. @returns all */
  #roll(now: number): RateWindow[] {
    const windows = [...this.#windows.values()];
    if (!this.#server.known) return windows;
    const server = this.#server.earliest(now);
    for (const window of windows) {
      const start = windowStart(window.period, server);
      if (start === window.start) continue; // earlier: its clock was set back
      // What is under way may have arrived in either window, so it counts in both until its answer tells.
      window.begin(start, this.#inFlight.size);
    }
    return windows;
  }

  #learn(sent: Sent, reply: Answered): void {
    const now = this.clock.now();
    const limits = readLimits(reply);
    const refused = refusedByGateway(reply);
    const arrival = this.#learnTime(sent, reply, limits.reset, now);
    this.#roll(now);
    this.#keep(limits, now);
    for (const window of this.#windows.values()) {
      if (refused || arrival.last < window.start) window.ours--;
      const told = limits.byPeriod.get(window.period);
      if (!told) continue;
      window.limited(told.limit, sent.at);
      if (arrival.first >= window.start) window.learn(told, sent.places.get(window));
    }
    if (refused) this.#pause(sent, reply, now);
    else this.#blind = 0;
    this.#probing = refused && this.#windows.size === 0;
  }

  /** Learns the gateway's time from an answer; tells between which instants of it the request arrived there. */
  #learnTime(sent: Sent, reply: Answered, reset: RateLimits['reset'], now: number): { first: number; last: number } {
    const arrivedBy = Math.max(sent.at, now - upstreamMs(reply));
    const answered = date(reply);
    // Of a second it says nothing; of months and years Kong counts 30 and 365 days.
    if (reset && (reset.period === 'minute' || reset.period === 'hour' || reset.period === 'day')) {
      // Reset tells the place in the period, Date which period. Without it any will do.
      const about = this.#server.known ? this.#server.earliest(arrivedBy) : arrivedBy;
      const guess = answered === undefined ? about : answered - upstreamMs(reply);
      // The instant nearest to that which is so long before the end of a window.
      const [length, left] = [PERIODS[reset.period], reset.seconds * 1000];
      const first = Math.round((guess + left) / length) * length - left;
      this.#server.learn(first, sent.at, arrivedBy);
      return { first, last: first + 999 };
    }
    // The upstream's, whose clock may be another: good enough where the gateway does not tell its own.
    if (answered !== undefined) this.#server.learn(answered, sent.at, now);
    return { first: this.#server.earliest(sent.at), last: this.#server.latest(arrivedBy) };
  }

  /** Begins to count for limits that are new, and no longer for those that are gone. */
  #keep({ byPeriod, complete }: RateLimits, now: number): void {
    if (!this.#server.known) return;
    for (const period of byPeriod.keys()) {
      if (this.#windows.has(period)) continue;
      const start = windowStart(period, this.#server.earliest(now));
      this.#windows.set(period, new RateWindow(period, this.#sharing, start, this.#inFlight.size));
    }
    for (const period of this.#windows.keys()) {
      if (complete && !byPeriod.has(period)) this.#windows.delete(period);
    }
  }

  /** Everybody waits. The windows know better when, but not when the gateway hides them or its clock was set. */
  #pause(sent: Sent, reply: Answered, now: number): void {
    let ms = retryAfterMs(reply);
    if (ms === undefined) {
      // The shortest window that a minute's wait can help, then longer ones. What was sent together counts as one.
      if (sent.at >= this.#pausedUntil) this.#blind++;
      const minutes = 2 ** (this.#blind - 1) - 1;
      ms = Math.min(LONGEST_BLIND_WAIT_MS, MINUTE_MS - ((date(reply) ?? 0) % MINUTE_MS) + minutes * MINUTE_MS);
    }
    const until = now + Math.min(Math.max(SHORTEST_PAUSE_MS, ms), LONGEST_PAUSE_MS) + this.clock.random() * SPREAD_MS;
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
  }
}
