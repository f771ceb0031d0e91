import { whenAborted } from './abort.js';
import { Document, type DocumentOptions, type Outcome } from './document.js';
import { Queue } from './queue.js';
import type { Scheduler } from './scheduler.js';

export interface RunOptions<D> extends DocumentOptions<D> {
  order: 'input' | 'completion';
  headers: Record<string, string>;
  signal: AbortSignal | undefined;
}

// Documents in hand, in full requests of all slots: read, and their outcomes not yet taken. In the source's order one that
// has to be sent several times holds back those after it, and so many that go on meanwhile.
const REQUESTS_IN_HAND_PER_SLOT = 6;
// A source that only trickles fills no request.
const MOST_LINGERS = 25;

/** One pass over a source of documents: reads, queues what is to be sent, hands outcomes out. */
export class Run<D> {
  readonly #queue: Queue;
  readonly #iterator: Iterator<D> | AsyncIterator<D>;
  /** Documents whose outcome is not yet handed out, by index. */
  readonly #inHand = new Map<number, Document<D>>();
  /** Those of them that are done, in order of completion. */
  readonly #done: Document<D>[] = [];
  /** How many documents were taken from the source. */
  #count = 0;
  #sourceEnded = false;
  /** How many outcomes were handed out. */
  #next = 0;
  #sizeInHand = 0;
  #reading = false;
  /** Whether somebody waits for the next outcome. */
  #awaited = false;
  /** Nobody takes outcomes any more. */
  #left = false;
  /** An error that affects every document, or the source's own. */
  #failure: { error: unknown; sourceOnly: boolean } | undefined;
  #wake = () => {};

  /** @throws {ConfigError} when the client is closed */
  constructor(
    source: Iterable<D> | AsyncIterable<D>,
    private readonly options: RunOptions<D>,
    private readonly scheduler: Scheduler,
  ) {
    this.#queue = new Queue(options.headers, {
      onChange: () => this.#goOn(),
      onStop: (error) => {
        if (this.#failure?.sourceOnly !== false) this.#failure = { error, sourceOnly: false };
        this.#wake();
      },
      awaits: () => this.#awaited,
      grows: () => this.#wantsMore,
    });
    this.#queue.asksLimits = true;
    scheduler.join(this.#queue);
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** @throws what affects every document, or the source's error, after the outcomes of all that came before */
  async *outcomes(): AsyncGenerator<Outcome<D>, void, undefined> {
    const { signal } = this.options;
    const forget = whenAborted(signal, () => this.#wake());
    try {
      for (;;) {
        this.#goOn();
        signal?.throwIfAborted();
        const document = this.#takeDone();
        if (document?.outcome) yield document.outcome;
        else if (this.#ended) break;
        else await this.#change();
      }
      if (this.#failure) throw this.#failure.error;
    } finally {
      this.#left = true;
      forget();
      // Whoever stops taking outcomes stops the requests too.
      for (const document of this.#inHand.values()) document.drop();
      this.scheduler.leave(this.#queue);
      const closed = this.#closeSource();
      // An abort waits for nobody, and a source that is being read closes only when it answers, which may be never.
      if (!signal?.aborted && !this.#reading) await closed;
    }
  }

  async #closeSource(): Promise<void> {
    try {
      if (!this.#sourceEnded) await this.#iterator.return?.();
    } catch {
      // What went wrong before matters more.
    }
  }

  get #ended(): boolean {
    if (this.#failure?.sourceOnly === false) return this.scheduler.underWay(this.#queue) === 0;
    return this.#sourceEnded && this.#inHand.size === 0;
  }

  /** Waits for something to happen. What there is leaves meanwhile, full or not. */
  async #change(): Promise<void> {
    this.#awaited = true;
    if (!this.#queue.empty) void this.scheduler.linger(this.#queue, MOST_LINGERS);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#awaited = false;
  }

  #takeDone(): Document<D> | undefined {
    const first = this.options.order === 'input' ? this.#inHand.get(this.#next) : this.#done.shift();
    if (!first?.outcome) return undefined;
    this.#inHand.delete(first.index);
    this.#next++;
    this.#sizeInHand -= first.size;
    return first;
  }

  get #isOver(): boolean {
    return this.#left || this.options.signal?.aborted === true;
  }

  get #wantsMore(): boolean {
    if (this.#isOver || this.#sourceEnded || this.#failure) return false;
    const { size, limits, concurrency } = this.scheduler;
    const most = REQUESTS_IN_HAND_PER_SLOT * concurrency * size;
    // The size of a request can change with the next answer, up to the limit: then there should be enough to fill it.
    return this.#sizeInHand < Math.max(most, limits.max_characters) && this.#queue.size < 2 * limits.max_characters;
  }

  /** Reads on as far as there is room, and looks for what is done. */
  #goOn(): void {
    if (!this.#reading && this.#wantsMore) void this.#read();
    this.#wake();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    this.#queue.stirs++;
    try {
      do {
        const next = await this.#iterator.next();
        if (this.#isOver) break;
        if (next.done) this.#end();
        else this.#add(next.value);
      } while (this.#wantsMore);
    } catch (error) {
      if (!this.#isOver) {
        this.#failure ??= { error, sourceOnly: true };
        this.#end();
      }
    }
    this.#reading = false;
    this.scheduler.pump();
    this.#goOn();
  }

  #end(): void {
    this.#sourceEnded = true;
    this.#queue.flush = true;
  }

  #add(value: D): void {
    const onSettled = (document: Document<D>) => {
      if (this.options.order === 'completion') this.#done.push(document);
      // It may be a request of another run or call that shows what this one's failure was.
      this.#wake();
    };
    const document = new Document(this.#count++, value, this.options, onSettled);
    this.#inHand.set(document.index, document);
    this.#sizeInHand += document.size;
    this.#queue.flush = false;
    if (!document.outcome) this.#queue.add(document as Document<unknown>);
    if (this.#queue.size >= this.scheduler.size) this.scheduler.pump();
    else if (this.#awaited) void this.scheduler.linger(this.#queue, MOST_LINGERS);
  }
}
