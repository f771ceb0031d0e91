import { whenAborted } from './abort.js';
import { Document } from './document.js';
import type { Entity } from './offsets.js';
import { Queue } from './queue.js';
import type { Scheduler } from './scheduler.js';

export interface CallOptions {
  labels: ReadonlySet<string> | undefined;
  signal: AbortSignal | undefined;
}

// Longer texts than this may have to be cut: then it matters how long one may be.
const SHORT_TEXT = 10_000;
// Somebody waits for each.
const MOST_LINGERS = 5;

/** Calls of one text each, which share requests. */
export class Calls {
  readonly #scheduler: Scheduler;
  readonly #headers: Record<string, string>;
  /** How to end each call that waits. */
  readonly #waiting = new Set<(error: unknown) => void>();
  #queue: Queue | undefined;

  constructor(scheduler: Scheduler, headers: Record<string, string>) {
    this.#scheduler = scheduler;
    this.#headers = headers;
  }

  /**
   * The entities of one text.
   *
   * @param linger whether it waits for a moment for others to share its request
   * @throws {NerError} see the subclasses; `signal.reason` on abort
   */
  extract(text: unknown, { labels, signal }: CallOptions, linger: boolean): Promise<Entity[]> {
    return new Promise((resolve, reject) => {
      const end = (error: unknown) => {
        document.drop();
        settle(() => reject(error));
      };
      const settle = (action: () => void) => {
        forget();
        this.#waiting.delete(end);
        action();
        if (this.#waiting.size === 0) this.#leave();
      };
      let forget = () => {};
      const document = new Document(0, text, { text: (it) => it, labels }, ({ outcome }) => {
        if (outcome?.ok) settle(() => resolve(outcome.entities));
        else settle(() => reject(outcome?.error));
      });
      if (document.over) return;
      const queue = this.#join();
      this.#waiting.add(end);
      forget = whenAborted(signal, () => {
        end(signal?.reason);
        this.#scheduler.sweep();
      });
      if (document.over) return;
      if (document.size > SHORT_TEXT) queue.asksLimits = true;
      queue.add(document);
      queue.flush = !linger;
      if (linger) void this.#scheduler.linger(queue, MOST_LINGERS);
      this.#scheduler.pump();
    });
  }

  #join(): Queue {
    this.#queue ??= this.#newQueue();
    this.#scheduler.join(this.#queue);
    return this.#queue;
  }

  #newQueue(): Queue {
    const queue: Queue = new Queue(this.#headers, {
      onChange: () => {},
      onStop: (error) => {
        if (this.#queue === queue) this.#queue = undefined;
        for (const end of [...this.#waiting]) end(error);
        this.#scheduler.leave(queue);
      },
      awaits: () => this.#waiting.size > 0,
      grows: () => true,
    });
    return queue;
  }

  #leave(): void {
    if (this.#queue) this.#scheduler.leave(this.#queue);
    this.#queue = undefined;
  }
}
