import type { Clock } from './clock.js';
import type { Text } from './document.js';
import type { NerError } from './errors.js';
import type { Queue } from './queue.js';

/** One request: its texts, and what became of it so far. */
export class Request {
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

  /** A request with some of these texts, and with the past of this one. */
  part(texts: Text[], rest: Text[] = []): Request {
    const { attempts, blames } = this;
    return Object.assign(new Request(this.queue, texts, rest), { attempts, blames });
  }
}

/** Requests that are to be sent again, before what waits in queues. A probe is never sent again. */
export class Backlog {
  #requests: Request[] = [];

  constructor(private readonly clock: Clock) {}

  get empty(): boolean {
    return this.#requests.length === 0;
  }

  /** The earliest time to send one, by the clock; infinite where there is none. */
  get due(): number {
    return Math.min(...this.#requests.map(({ due }) => due));
  }

  /** The one to be sent now. */
  get next(): Request | undefined {
    const now = this.clock.now();
    return this.#requests.find(({ due }) => due <= now);
  }

  take(): Request | undefined {
    const { next } = this;
    if (next) this.#requests.splice(this.#requests.indexOf(next), 1);
    return next;
  }

  first(request: Request): void {
    if (request.texts.length > 0) this.#requests.unshift(request);
  }

  /** @param ms how long it waits at least */
  later(request: Request, ms: number): void {
    request.due = this.clock.now() + ms;
    if (request.texts.length > 0) this.#requests.push(request);
  }

  /** Its first half, which tells which one has the text to blame. @param both where either may be too much by itself */
  halve(request: Request, both = false): void {
    const texts = request.texts.filter(({ over }) => !over);
    const other = texts.splice(Math.ceil(texts.length / 2));
    if (texts.length > 0) this.#requests.push(request.part(texts, both ? [] : other));
    if (both && other.length > 0) this.#requests.push(request.part(other));
  }

  /** Drops what nobody waits for any more. @returns it */
  sweep(): Request[] {
    const dropped = this.#requests.filter(({ needed }) => !needed);
    this.#requests = this.#requests.filter(({ needed }) => needed);
    return dropped;
  }

  clear(): void {
    this.#requests = [];
  }
}
