import { FairShare } from './fair-share.js';
import type { Interval } from './pace.js';
import type { RateLimit } from './rate-headers.js';
import { PERIODS, type Period, windowEnd } from './server-clock.js';

/** A request's place in a window. */
export interface Place {
  /** Of the window. */
  start: number;
  /** From 1. */
  number: number;
  elapsedMs: number;
}

/** How one client shares a limit. */
export interface Sharing {
  /** Of the limit, 0 < share <= 1, that it may use; with 1 what others leave, and fairly. */
  share: number;
  /** Its requests at once, and those of each other. */
  slots: number;
  /** Chance, in [0, 1). */
  random: () => number;
}

/** One limit of the gateway in its window of now. */
export class RateWindow {
  /** For a limit a minute without a share of our own: what is fair. */
  readonly #fair: FairShare | undefined;
  /** Requests a window. */
  limit = 0;
  /** How many of others the gateway had counted for certain by the last answer. */
  #others = 0;
  /** The same, and ours, by the answer that showed that there are others at all. */
  #met: { ours: number; others: number } | undefined;
  #limitAt = Number.NEGATIVE_INFINITY;
  #answers = 0;
  /** Whether we came while it was under way: what others used before says nothing of now. */
  #joined = true;
  /** Whether others were there in the window before, and all keep to their fair part. */
  #fairly = false;

  /** @param ours how many of ours the gateway may have counted in it */
  constructor(
    readonly period: Period,
    private readonly sharing: Sharing,
    public start: number,
    public ours: number,
  ) {
    if (period === 'minute' && sharing.share === 1) this.#fair = new FairShare(sharing.slots, sharing.random);
  }

  get end(): number {
    return windowEnd(this.period, this.start);
  }

  get used(): number {
    return this.ours + this.#others;
  }

  begin(start: number, ours: number): void {
    if (this.#answers > 0) this.#fairly = this.#fair !== undefined && this.#accompanied;
    this.start = start;
    this.ours = ours;
    this.#others = 0;
    this.#met = undefined;
    this.#answers = 0;
    this.#joined = false;
    this.#fair?.begin();
    if (!this.#fairly) this.#fair?.reset();
  }

  /** Counts a request that is sent now. @param server the gateway's time */
  send(server: number): Place {
    this.ours++;
    return { start: this.start, number: this.#fair?.send() ?? 0, elapsedMs: server - this.start };
  }

  /** @param sentAt when the request was sent that was told so: a later one knows better */
  limited(limit: number, sentAt: number): void {
    if (sentAt < this.#limitAt) return;
    this.limit = limit;
    this.#limitAt = sentAt;
  }

  /** Learns from an answer to a request that arrived in this window. @param place its own, if it was sent in it */
  learn({ limit, remaining }: RateLimit, place: Place | undefined): void {
    this.#answers++;
    if (place?.start === this.start && remaining > 0) {
      this.#fair?.learn(limit, limit - remaining, place.number, place.elapsedMs);
    }
    // Requests overtake each other and are counted late, so only what all of ours cannot explain is of others.
    const others = limit - remaining - this.ours;
    if (others <= this.#others) return;
    this.#others = others;
    this.#met ??= { ours: this.ours, others };
  }

  /** When one more may be sent, by the gateway's clock; `start` when it may be now. @param underWay ours without answer */
  opensAt(underWay: number): number {
    if (!this.#fairly) return this.#full(underWay) ? this.#next : this.start;
    const at = this.used >= this.limit ? undefined : this.#fair?.opensAt(this.limit);
    return at === undefined ? this.#next : this.start + at;
  }

  /** Whether only an answer can tell if another may be sent: who comes while others are there looks first. */
  looks(underWay: number): boolean {
    if (!this.#fair || !this.#joined || underWay === 0) return false;
    return this.#accompanied || (this.#others > 0 && this.#answers < 2);
  }

  /** @param msLeft of this window */
  interval(msLeft: number): Interval {
    if (this.#fairly && this.#fair) {
      const room = this.#fair.room(this.limit, PERIODS.minute - msLeft);
      return { window: 0, left: room / this.sharing.slots };
    }
    const left = Math.min(this.#portion - this.ours, this.limit - this.used);
    return { window: PERIODS[this.period] / (this.sharing.share * this.limit), left: left > 0 ? msLeft / left : 0 };
  }

  get reason(): string {
    const part = this.#fairly && this.#fair ? this.#fair.part(this.limit) : this.#portion;
    const [used, limit] = this.ours >= part ? [this.ours, part] : [Math.min(this.used, this.limit), this.limit];
    return `${used} of ${limit} used this ${this.period}`;
  }

  /** Whether others use the key while we do. */
  get #accompanied(): boolean {
    return this.#others > (this.#joined ? (this.#met?.others ?? 0) : 0);
  }

  /** When the next window's first may be sent. */
  get #next(): number {
    return this.end + (this.#fair && (this.#fairly || this.#met) ? this.#fair.next : 0);
  }

  #full(underWay: number): boolean {
    return this.ours >= this.#portion || this.used + this.#hidden(underWay) >= this.limit;
  }

  /** Each of ours under way may hide one of others, and they go on as before: so many for one of ours. */
  #hidden(underWay: number): number {
    // With a share of our own the others have theirs.
    if (!this.#met || this.sharing.share < 1) return 0;
    const pace = (this.#others - this.#met.others) / Math.max(1, this.ours - this.#met.ours);
    return (1 + pace) * underWay;
  }

  get #portion(): number {
    // 0.29 × 100 is 28.999999999999996.
    return Math.max(1, Math.floor(this.sharing.share * this.limit + 1e-9));
  }
}
