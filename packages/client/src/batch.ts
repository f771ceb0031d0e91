import type { NerError } from './errors.js';
import type { Queue } from './queue.js';
import type { Text } from './text.js';

/** The texts of one request, and what became of it so far. */
export class Batch {
  readonly queue: Queue;
  readonly texts: Text[];
  /** Ends what is under way. */
  readonly stop = new AbortController();
  /** The other half of a request that failed: to blame when this half is served, free of blame when it is not. */
  rest: Text[] = [];
  /** The earliest time to send it. */
  due = 0;
  /** The number of its last sending, of all of the client's: a higher one was sent later. */
  number = 0;
  attempts = 0;
  throttles = 0;
  /** How often it, or what it is a part of, failed while others were served. */
  blames = 0;
  /** How often it failed in an outage, which may have been its own doing. */
  pardons = 0;
  /** Of its last attempt. */
  error: NerError | undefined;

  /** @param texts none for a probe, which has one empty text: it tells only whether the service is there */
  constructor(queue: Queue, texts: Text[]) {
    this.queue = queue;
    this.texts = texts;
  }

  get needed(): boolean {
    return !this.queue.stopped && (this.texts.length === 0 || this.texts.some(({ over }) => !over));
  }

  /** A batch of some of its texts, with its past. */
  part(texts: Text[], rest: Text[] = []): Batch {
    const part = new Batch(this.queue, texts);
    part.rest = rest;
    part.attempts = this.attempts;
    part.blames = this.blames;
    part.pardons = this.pardons;
    return part;
  }
}
