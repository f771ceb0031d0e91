import type { Clock } from './clock.js';
import { type NerError, ServiceUnavailableError } from './errors.js';
import type { Request } from './request.js';
import { judge, type Next } from './verdict.js';

/** Since the service seems to be away. */
interface Pause {
  /** By the local clock; moves by what waits for the rate limit. */
  since: number;
  /** Since when only the rate limit holds the probe up. */
  heldAt: number | undefined;
  /** The first request that failed so: one that was sent after it and is served ends the pause. */
  first: number;
  /** The last one sent when the last failure was counted: what was sent by then tells nothing new. */
  latest: number;
  /** Of the first request and of the probes. */
  failures: number;
  until: number;
  probe: Request | undefined;
}

// So often a request that failed together with others is sent again whole, the last time while no other is under way: a
// text may take down with it all that its server is at.
const PARDONS = 2;
// More requests than these, in doubt at the same time, are an outage.
const MOST_DOUBTS = 2;
// So many refusals without any success between them are no accident: of a client that was ever served, and of one that
// was not.
const REFUSALS = { served: 4, never: 2 };
// How long nothing may listen at an address where nothing ever did: a service that is started again is there by then.
const NEVER_THERE_MS = 60_000;
const LONGEST_BACK_OFF_MS = 12_000;

/** Whether the service is away, by what became of the requests. */
export class Outage {
  /** Failed, and it is not known yet whether a text of theirs is to blame or the service is away. */
  readonly doubts = new Set<Request>();
  served = false;
  #pause: Pause | undefined;

  /** @param mostMs how long the service may be away */
  constructor(
    private readonly clock: Clock,
    private readonly mostMs: number,
  ) {}

  /** Whether everybody waits, and only a probe is sent. */
  get begun(): boolean {
    return this.#pause !== undefined;
  }

  /** From when on a request may be sent, a probe if it has begun. */
  get opensAt(): number {
    if (!this.#pause) return Number.NEGATIVE_INFINITY;
    return this.#pause.probe ? Number.POSITIVE_INFINITY : this.#pause.until;
  }

  /** The rate limit holds the next request up. */
  held(): void {
    if (this.#pause) this.#pause.heldAt ??= this.clock.now();
  }

  sent(request: Request): void {
    if (!this.#pause) return;
    const now = this.clock.now();
    this.#pause.probe = request;
    this.#pause.since += now - (this.#pause.heldAt ?? now);
    this.#pause.heldAt = undefined;
  }

  /** It has an answer, or none will come. */
  ended(request: Request): void {
    if (this.#pause?.probe === request) this.#pause.probe = undefined;
  }

  /** Forgets what failed: what comes next has an outage of its own. */
  end(): void {
    this.#pause = undefined;
    this.doubts.clear();
  }

  /** Forgets what nobody waits for any more. @returns it */
  sweep(): Request[] {
    const dropped = [...this.doubts].filter(({ needed }) => !needed);
    for (const doubt of dropped) this.doubts.delete(doubt);
    return dropped;
  }

  /**
   * A request was answered so that the service is there: those that were sent before it and failed are to blame.
   *
   * @returns them; of those that failed together, and so by no fault of theirs, each PARDONS times as `pardoned`
   */
  over(request: Request): { blamed: Request[]; pardoned: Request[] } {
    const wide = this.#pause !== undefined && (this.#pause.failures > 1 || this.doubts.size > 1);
    if (this.#pause && request.number > this.#pause.first) this.#pause = undefined;
    const [blamed, pardoned]: [Request[], Request[]] = [[], []];
    for (const doubt of this.doubts) {
      if (request.number < doubt.number) continue;
      this.doubts.delete(doubt);
      const error = doubt.error as NerError;
      // What is too much was no bad moment; and what hangs takes down no other, but would hold up all while it is alone.
      const most = judge(error, true).next === 'split' ? 0 : error.code === 'timeout' ? 1 : PARDONS;
      const pardon = wide && doubt.pardons++ < most;
      (pardon ? pardoned : blamed).push(doubt);
      doubt.alone = pardon && doubt.pardons === PARDONS;
    }
    return { blamed, pardoned };
  }

  /** A request failed, and the service may be away. @returns whether that is enough to let everybody wait */
  doubt(request: Request): boolean {
    if (request.texts.length > 0) this.doubts.add(request);
    return this.begun || !this.served || this.doubts.size > MOST_DOUBTS;
  }

  /**
   * Everybody waits, longer each time, and a probe tells.
   *
   * @param last the number of the last request that was sent
   * @returns for how long, and how much longer until it is given up, in ms; undefined when the request tells nothing new
   * @throws {NerError} when it has been long enough
   */
  wait(request: Request, next: Next, last: number): { ms: number; left: number } | undefined {
    const error = request.error as NerError;
    const now = this.clock.now();
    const first = Math.min(request.number, ...[...this.doubts].map(({ number }) => number));
    this.#pause ??= { since: now, heldAt: undefined, first, latest: 0, failures: 0, until: now, probe: undefined };
    const pause = this.#pause;
    if (request.number <= pause.latest) return undefined;
    pause.latest = last;
    pause.failures++;
    // Where a text may be to blame a probe tells at once.
    const atOnce = next !== 'pause' && this.doubts.size > 0 && pause.failures === 1;
    const ms = atOnce ? 0 : backOff(pause.failures, error.retryAfterMs, this.clock.random());
    pause.until = now + ms;
    if ((next === 'split' || next === 'split or stop') && pause.failures >= REFUSALS[this.served ? 'served' : 'never'])
      throw error;
    const most = next === 'pause briefly' ? Math.min(this.mostMs, NEVER_THERE_MS) : this.mostMs;
    if (pause.until - pause.since > most) throw this.unavailable(error, pause.since, most);
    return { ms, left: pause.since + most - now };
  }

  /** @param since when it began, by the local clock */
  unavailable(error: NerError, since: number, mostMs = this.mostMs): ServiceUnavailableError {
    const seconds = (value: number) => `${Math.round(value / 1000).toLocaleString('en')} s`;
    const why = mostMs < this.mostMs ? 'where nothing ever answered' : '(outageMs)';
    const away = `the service has been away for ${seconds(this.clock.now() - since)}`;
    return new ServiceUnavailableError(`${away}, and ${seconds(mostMs)} are the most ${why}: ${error.message}`, error);
  }
}

/**
 * 1, 2, 4, 8, then 12 s, shortened by chance by up to a quarter, so that callers spread. Never less than Retry-After asks
 * for.
 */
export function backOff(failures: number, askedMs: number | undefined, random: number): number {
  const most = Math.min(LONGEST_BACK_OFF_MS, 1000 * 2 ** (failures - 1));
  return Math.max(askedMs ?? 0, most * 0.75) + random * most * 0.25;
}
