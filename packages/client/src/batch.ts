import type { Clock } from './clock.js';
import type { Text } from './document.js';
import type { NerError } from './errors.js';
import type { Queue } from './queue.js';

/** The texts of one request, and what became of it so far. */
export class Batch {
  /** Ends what is under way. */
  readonly stop = new AbortController();
  /** The earliest time to send it. */
  due = 0;
  /** The number of its last sending, of all of the client's: a higher one was sent later. */
  number = 0;
  attempts = 0;
  throttles = 0;
  /** How often it, or what it is a part of, failed while others were served. */
  blames = 0;
  /** How often it failed together with others, which may have been its own doing. */
  pardons = 0;
  /** Whether it is sent while no other is under way. */
  alone = false;
  error: NerError | undefined;

  /**
   * @param texts none for a probe, which has one empty text: it tells only whether the service is there
   * @param rest the other half of a request that failed: to blame when this half is served, free of blame when it is not
   */
  constructor(
    readonly queue: Queue,
    readonly texts: Text[],
    public rest: Text[] = [],
  ) {}

  get needed(): boolean {
    return !this.queue.stopped && (this.texts.length === 0 || this.texts.some(({ over }) => !over));
  }

  /** A batch of some of its texts, with its past. */
  part(texts: Text[], rest: Text[] = []): Batch {
    const { attempts, blames } = this;
    return Object.assign(new Batch(this.queue, texts, rest), { attempts, blames });
  }
}

/** Batches that are to be sent again, before what waits in queues. A probe is never sent again. */
export class Backlog {
  #batches: Batch[] = [];

  constructor(private readonly clock: Clock) {}

  get empty(): boolean {
    return this.#batches.length === 0;
  }

  /** The earliest time to send one, by the clock; infinite where there is none. */
  get due(): number {
    return Math.min(...this.#batches.map(({ due }) => due));
  }

  /** The one to be sent now. */
  get next(): Batch | undefined {
    const now = this.clock.now();
    return this.#batches.find(({ due }) => due <= now);
  }

  take(): Batch | undefined {
    const { next } = this;
    if (next) this.#batches.splice(this.#batches.indexOf(next), 1);
    return next;
  }

  first(batch: Batch): void {
    if (batch.texts.length > 0) this.#batches.unshift(batch);
  }

  /** @param ms how long it waits at least */
  later(batch: Batch, ms: number): void {
    batch.due = this.clock.now() + ms;
    if (batch.texts.length > 0) this.#batches.push(batch);
  }

  /** Its first half, which tells which one has the text to blame. @param both where either may be too much by itself */
  halve(batch: Batch, both = false): void {
    const texts = batch.texts.filter(({ over }) => !over);
    const other = texts.splice(Math.ceil(texts.length / 2));
    if (texts.length > 0) this.#batches.push(batch.part(texts, both ? [] : other));
    if (both && other.length > 0) this.#batches.push(batch.part(other));
  }

  /** Drops what nobody waits for any more. @returns it */
  sweep(): Batch[] {
    const dropped = this.#batches.filter(({ needed }) => !needed);
    this.#batches = this.#batches.filter(({ needed }) => needed);
    return dropped;
  }

  clear(): void {
    this.#batches = [];
  }
}
