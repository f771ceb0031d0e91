// Each client's first requests of a minute leave at about the same times, each within SPREAD_MS. So what the gateway had
// counted when one of them arrived tells how many clients there are.
const GREETINGS = 3;
const SPREAD_MS = 1000;
const GREETING_MS = 2500;
// A little more than the longest request: with few slots the next one leaves when a slot is free for certain.
const GREETING_MS_OF_ONE_SLOT = 8500;
// The others leave evenly until then.
const EVEN_TO_MS = 58_000;
const WINDOW_MS = 60_000;
// Late enough to tell what the whole minute will have used.
const LATE_MS = 30_000;
// Of the limit: the estimates of many clients do not always add up to it.
const USED = 0.96;

/**
 * A fair part of a limit a minute, where others like this client use the same key and none knows of another but by what
 * the gateway has counted.
 */
export class FairShare {
  /** From one of the first requests to the next. */
  readonly #greetingMs: number;
  /** When those begin that leave evenly. */
  readonly #evenFromMs: number;
  /** How many clients there are, this one included, as known when the window began. */
  #before: number | undefined;
  /** The same, by this window's answers. */
  #seen: number | undefined;
  /** What a fair part was too little by, when the last window was not used up. */
  #unused = 0;
  #sent = 0;
  /** Where in each spread ours leave, in this window and in the next. */
  #chance: number;
  #nextChance: number;
  #rounding = 0;
  #usedUp = 1;

  /** @param slots requests at once, of each client */
  constructor(
    private readonly slots: number,
    private readonly random: () => number,
  ) {
    this.#greetingMs = Math.max(GREETING_MS, GREETING_MS_OF_ONE_SLOT / slots);
    this.#evenFromMs = GREETINGS * this.#greetingMs - 1500;
    this.#chance = random();
    this.#nextChance = random();
  }

  /** How long after the next window's begin its first request leaves, in ms. */
  get next(): number {
    return this.#nextChance * SPREAD_MS;
  }

  begin(): void {
    this.#unused = this.#usedUp < 0.95 ? this.#unused + (1 - this.#usedUp) / (this.#clients ?? 1) : 0;
    this.#before = this.#clients;
    this.#seen = undefined;
    this.#sent = 0;
    this.#usedUp = 1;
    this.#chance = this.#nextChance;
    this.#nextChance = this.random();
    this.#rounding = this.random();
  }

  /** Forgets the others. */
  reset(): void {
    this.#before = undefined;
    this.#seen = undefined;
    this.#unused = 0;
  }

  /** A request is sent. @returns its number in this window, from 1 */
  send(): number {
    return ++this.#sent;
  }

  /** Ours of this window, of `limit`. Until it is known how many clients there are, only as many as tell it. */
  part(limit: number): number {
    const clients = this.#clients;
    if (clients === undefined) return GREETINGS;
    return Math.floor(limit * Math.min(1, USED / clients + this.#unused) + this.#rounding);
  }

  /** When the next request may leave, in ms after the window's begin; undefined when it has to be in the next window. */
  opensAt(limit: number): number | undefined {
    const part = this.part(limit);
    return this.#sent < part ? this.#planned(this.#sent, part) : undefined;
  }

  /** How long a request that leaves now may take, so that its slot is free for one that is to leave after it, in ms. */
  room(limit: number, elapsedMs: number): number {
    const part = this.part(limit);
    const next = this.#sent + this.slots;
    const inNext = WINDOW_MS + this.next + Math.max(0, next - part) * this.#greetingMs;
    return (next < part ? this.#planned(next, part) : inNext) - elapsedMs;
  }

  /** Learns from what the gateway had counted when ours of that number arrived, sent `elapsedMs` after the window's begin. */
  learn(limit: number, used: number, number: number, elapsedMs: number): void {
    if (elapsedMs <= this.#evenFromMs) {
      let each = 0;
      for (let i = 0; i < GREETINGS; i++) {
        each += Math.min(1, Math.max(0, (elapsedMs - i * this.#greetingMs) / SPREAD_MS));
      }
      if (each >= 1) this.#seen = 1 + Math.max(0, used - number) / each;
    } else if (elapsedMs >= LATE_MS && this.#sent > GREETINGS) {
      const part = Math.max(GREETINGS, this.part(limit));
      const even = (elapsedMs - this.#evenFromMs) / (EVEN_TO_MS - this.#evenFromMs);
      const each = GREETINGS + (part - GREETINGS) * even;
      this.#usedUp = used / (limit * Math.min(1, each / part));
    }
  }

  get #clients(): number | undefined {
    if (this.#seen === undefined) return this.#before;
    return this.#before === undefined ? this.#seen : (this.#before + this.#seen) / 2;
  }

  /** When a request of this window is to leave, by its number from 0. */
  #planned(number: number, part: number): number {
    if (number < GREETINGS) return number * this.#greetingMs + this.#chance * SPREAD_MS;
    const even = (number - GREETINGS + this.#chance) / (part - GREETINGS);
    return this.#evenFromMs + (EVEN_TO_MS - this.#evenFromMs) * even;
  }
}
