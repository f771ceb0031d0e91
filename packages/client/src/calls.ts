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
  /** How to end each call that waits. */
  readonly #waiting = new Set<(error: unknown) => void>();
  #queue: Queue | undefined;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly headers: Record<string, string>,
  ) {}

  /** @param linger whether it waits for a moment for others to share its request */
  extract(text: unknown, { labels, signal }: CallOptions, linger: boolean): Promise<Entity[]> {
    return new Promise((resolve, reject) => {
      let forget = () => {};
      const over = () => {
        forget();
        this.#waiting.delete(end);
        if (this.#waiting.size === 0) this.#leave();
      };
      const end = (error: unknown) => {
        document.drop();
        reject(error);
        over();
      };
      const document = new Document(0, text, { text: (it) => it, labels }, ({ outcome }) => {
        if (outcome?.ok) resolve(outcome.entities);
        else reject(outcome?.error);
        over();
      });
      if (document.over) return;
      const queue = this.#join();
      this.#waiting.add(end);
      forget = whenAborted(signal, () => {
        end(signal?.reason);
        this.scheduler.sweep();
      });
      if (document.over) return;
      if (document.size > SHORT_TEXT) queue.asksLimits = true;
      queue.add(document);
      queue.flush = !linger;
      if (linger) void this.scheduler.linger(queue, MOST_LINGERS);
      this.scheduler.pump();
    });
  }

  #join(): Queue {
    this.#queue ??= new Queue(this.headers, {
      onChange: () => {},
      onStop: (error) => {
        for (const end of [...this.#waiting]) end(error);
        this.#leave();
      },
      awaits: () => this.#waiting.size > 0,
      grows: () => true,
    });
    this.scheduler.join(this.#queue);
    return this.#queue;
  }

  #leave(): void {
    const queue = this.#queue;
    this.#queue = undefined;
    if (queue) this.scheduler.leave(queue);
  }
}
