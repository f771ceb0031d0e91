import { type Closed, RateBudget, type Ticket, type Usage } from '../src/budget.js';
import type { VirtualClock } from './clock.js';

/** Sends as the scheduler does as far as the budget is concerned: first come, first served, as soon as it is open. */
export class Gate {
  /** Each wait once, by when it ends. */
  readonly waits: { ms: number; reason: string }[] = [];
  readonly #clock: VirtualClock;
  readonly #budget: RateBudget;
  readonly #waiting: ((ticket: Ticket) => void)[] = [];
  #told = Number.NEGATIVE_INFINITY;

  constructor(clock: VirtualClock, share = 1) {
    this.#clock = clock;
    this.#budget = new RateBudget(clock, share, 5);
  }

  usage(): Usage[] {
    return this.#budget.usage();
  }

  acquire(): Promise<Ticket> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#admit();
    });
  }

  #admit(): void {
    let closed: Closed | undefined;
    for (; this.#waiting.length > 0; this.#waiting.shift()?.(this.#ticket())) {
      closed = this.#budget.closed();
      if (closed) break;
    }
    if (!closed || closed.until === Number.POSITIVE_INFINITY) return;
    const ms = closed.until - this.#clock.now();
    if (closed.until > this.#told + 1000) this.waits.push({ ms, reason: closed.reason });
    this.#told = Math.max(this.#told, closed.until);
    this.#clock.sleep(ms).then(() => this.#admit());
  }

  #ticket(): Ticket {
    const ticket = this.#budget.issue();
    const then =
      <A extends unknown[]>(settle: (...args: A) => void) =>
      (...args: A) => {
        settle(...args);
        this.#admit();
      };
    return {
      answered: then(ticket.answered),
      unanswered: then(ticket.unanswered),
      release: then(ticket.release),
    };
  }
}
