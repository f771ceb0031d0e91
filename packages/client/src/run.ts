import { setMaxListeners } from 'node:events';
import { abortable } from './abort.js';
import { Document, type DocumentOptions, type Found, type Outcome, type Text } from './document.js';
import { concernsEveryDocument, NerError } from './errors.js';
import type { Settings } from './options.js';
import { Queue } from './queue.js';
import type { Sender, Signals } from './sender.js';
import { inHalves, worthHalving } from './split.js';

/** How far a run has come, in documents. */
export interface Progress {
  /** Taken from the source. */
  read: number;
  /** Done, with entities or none. */
  ok: number;
  failed: number;
  /** Whether the source has ended: `read` is all there are. */
  ended: boolean;
}

export interface RunOptions<D> extends DocumentOptions<D> {
  order: 'input' | 'completion';
  onProgress: (progress: Progress) => void;
  /** Whether the service is asked what a request may hold, before the first. */
  askLimits: boolean;
  signal: AbortSignal | undefined;
}

// How long a request that is not full waits for the source's next document: longer than reading on in a file takes.
const LINGER_MS = 20;
const MOST_LINGERS = 5;
// Documents in hand, in full requests of all slots: read, and their outcomes not yet taken.
const REQUESTS_IN_HAND_PER_SLOT = 3;
// What the service had no time or no room for: it can be sent again.
const UNDONE = new Set(['deadline_exceeded', 'response_too_large']);

// An own reason costs less than the usual one, which takes a stack trace.
const LEFT = new Error('nobody takes outcomes any more');

/** One pass over a source of documents: reads, fills requests, sends them, hands outcomes out. */
export class Run<D> {
  readonly #options: RunOptions<D>;
  readonly #sender: Sender;
  readonly #settings: Settings;
  readonly #iterator: Iterator<D> | AsyncIterator<D>;
  /** Ends everything. */
  readonly #stop = new AbortController();
  /** Ends what waits to be sent. */
  readonly #wait = new AbortController();
  readonly #queue = new Queue<D>();
  /** Documents whose outcome is not yet handed out, by index. */
  readonly #inHand = new Map<number, Document<D>>();
  /** Those of them that are done, in order of completion. */
  readonly #done: Document<D>[] = [];
  readonly #progress: Progress = { read: 0, ok: 0, failed: 0, ended: false };
  /** How many outcomes were handed out. */
  #next = 0;
  #sizeInHand = 0;
  #reading = false;
  #lingering = false;
  /** The source has had nothing to give for a while. */
  #dry = false;
  /** A request waits for its turn, and takes its texts then. */
  #waiting = false;
  #underWay = 0;
  /** What every document would meet. */
  #fatal: { error: unknown } | undefined;
  #sourceError: { error: unknown } | undefined;
  #wake = () => {};

  constructor(source: Iterable<D> | AsyncIterable<D>, options: RunOptions<D>, sender: Sender, settings: Settings) {
    this.#options = options;
    this.#sender = sender;
    this.#settings = settings;
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** @throws what every document would meet, or the source's error, after the outcomes of all that came before */
  async *outcomes(): AsyncGenerator<Outcome<D>, void, undefined> {
    const { signal } = this.#options;
    const onAbort = () => this.#halt(signal?.reason);
    if (signal) {
      // One signal for a thousand calls is usual; Node would warn of a leak at the eleventh.
      setMaxListeners(0, signal);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
    }
    try {
      for (;;) {
        this.#stop.signal.throwIfAborted();
        this.#goOn();
        // Whoever takes outcomes waits for them: what there is leaves, full or not.
        if (!this.#waiting && !this.#lingering && !this.#queue.empty) void this.#linger();
        const document = this.#takeDone();
        if (document?.outcome) yield document.outcome;
        else if (this.#ended()) break;
        else await abortable(this.#change(), this.#stop.signal);
      }
      const failure = this.#fatal ?? this.#sourceError;
      if (failure) throw failure.error;
    } finally {
      const aborted = this.#stop.signal.aborted;
      // Whoever stops taking outcomes stops the requests too.
      this.#halt(LEFT);
      signal?.removeEventListener('abort', onAbort);
      const closed = this.#closeSource();
      // An abort waits for nobody, and a source that is being read closes only when it answers, which may be never.
      if (!aborted && !this.#reading) await closed;
    }
  }

  #halt(reason: unknown): void {
    this.#stop.abort(reason);
    this.#wait.abort(reason);
  }

  async #closeSource(): Promise<void> {
    try {
      if (!this.#progress.ended) await this.#iterator.return?.();
    } catch {
      // What went wrong before matters more.
    }
  }

  #ended(): boolean {
    // A request that still waits for its turn would find nothing to take.
    const working = this.#underWay - (this.#waiting ? 1 : 0);
    if (this.#fatal) return working === 0;
    return working === 0 && this.#progress.ended && this.#inHand.size === 0;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Reads on and sends on as far as there is room, and looks for what is done. */
  #goOn(): void {
    if (this.#stop.signal.aborted) return;
    this.#readOn();
    this.#sendOn();
    this.#wake();
  }

  #takeDone(): Document<D> | undefined {
    const first = this.#options.order === 'input' ? this.#inHand.get(this.#next) : this.#done.shift();
    if (!first?.outcome) return undefined;
    this.#inHand.delete(first.index);
    this.#next++;
    this.#sizeInHand -= first.size;
    return first;
  }

  #hasRoom(): boolean {
    const { size, limits } = this.#sender;
    const most = REQUESTS_IN_HAND_PER_SLOT * this.#settings.concurrency * size;
    // The size of a request can change with the next answer, up to the limit: then there should be enough to fill it.
    return this.#sizeInHand < Math.max(most, limits.max_characters) && this.#queue.size < 2 * limits.max_characters;
  }

  #readOn(): void {
    if (this.#reading || this.#progress.ended || this.#fatal || !this.#hasRoom()) return;
    this.#reading = true;
    void this.#read();
  }

  async #read(): Promise<void> {
    const stopped = this.#stop.signal;
    try {
      do {
        const next = await this.#iterator.next();
        if (stopped.aborted) break;
        if (next.done) this.#end();
        else this.#add(next.value);
      } while (!this.#progress.ended && !this.#fatal && this.#hasRoom());
    } catch (error) {
      if (!stopped.aborted) {
        this.#sourceError = { error };
        this.#end();
      }
    }
    this.#reading = false;
    this.#goOn();
  }

  #end(): void {
    this.#progress.ended = true;
    this.#options.onProgress({ ...this.#progress });
  }

  #add(value: D): void {
    const settled = (document: Document<D>) => this.#onSettled(document);
    const document = new Document(this.#progress.read++, value, this.#options, settled);
    this.#inHand.set(document.index, document);
    this.#sizeInHand += document.size;
    if (!document.outcome) this.#queue.add(document);
    this.#dry = false;
    this.#goOn();
  }

  #onSettled(document: Document<D>): void {
    this.#progress[document.outcome?.ok ? 'ok' : 'failed']++;
    if (this.#options.order === 'completion') this.#done.push(document);
  }

  /** A request leaves when it is full, or when there is nothing to wait for. */
  #sendOn(): void {
    if (this.#waiting || this.#fatal || this.#queue.empty) return;
    const full = this.#queue.size >= this.#sender.size || !this.#hasRoom();
    if (full || this.#progress.ended || this.#dry) void this.#send();
  }

  async #linger(): Promise<void> {
    this.#lingering = true;
    // A source that trickles is as good as dry in the end.
    for (let times = 0, read = -1; times < MOST_LINGERS && read !== this.#progress.read; times++) {
      read = this.#progress.read;
      await this.#settings.clock.sleep(LINGER_MS, this.#stop.signal).catch(() => {});
    }
    this.#lingering = false;
    this.#dry = true;
    this.#goOn();
  }

  async #send(): Promise<void> {
    this.#waiting = true;
    this.#underWay++;
    try {
      await this.#sender.whole(() => this.#sendNext());
    } catch (error) {
      this.#fail(error);
    }
    this.#underWay--;
    this.#goOn();
  }

  #fail(error: unknown): void {
    this.#fatal ??= { error };
    this.#waiting = false;
    // What has not been sent would meet the same.
    this.#wait.abort(LEFT);
  }

  /** Sends what one request holds once it is its turn, and in halves what fails so. */
  async #sendNext(): Promise<void> {
    const fatal = (error: unknown) => this.#fail(error);
    const signals = { stop: this.#stop.signal, wait: this.#wait.signal, fatal };
    if (this.#options.askLimits) await this.#sender.learnLimits(signals.stop);
    let texts: Text[] = [];
    const take = () => {
      const { size, limits } = this.#sender;
      texts = this.#queue.take(size, limits);
      this.#waiting = false;
      this.#goOn();
      return texts;
    };
    try {
      await this.#sender.send(take, (found) => this.#settle(texts, found), signals);
    } catch (error) {
      if (concernsEveryDocument(error)) throw error;
      const again = texts.length > 1 && worthHalving(error);
      const parts = again ? await inHalves(texts, (part) => this.#sendPart(part, signals)) : texts.map(() => error);
      this.#settle(texts, parts as (Found | NerError)[]);
    }
  }

  async #sendPart(part: Text[], signals: Signals): Promise<Found[]> {
    let found: Found[] = [];
    const keep = (all: Found[]) => {
      found = all;
    };
    await this.#sender.send(() => part, keep, signals);
    return found;
  }

  #settle(texts: Text[], found: (Found | NerError)[]): void {
    const anyDone = found.some((it) => !(it instanceof NerError) && 'entities' in it.result);
    const undone: Text[] = [];
    texts.forEach((text, i) => {
      const it = found[i] as Found | NerError;
      const code = !(it instanceof NerError) && 'code' in it.result ? it.result.code : '';
      // No attempt is lost when something else came back: the rest is less each time. But what is first in line, and has
      // room for nothing else before it, is too much by itself.
      const free = anyDone && !(code === 'response_too_large' && i === 0);
      if (UNDONE.has(code) && (free || ++text.tries < this.#settings.policy.maxAttempts)) undone.push(text);
      else text.settle(it);
    });
    this.#queue.putBack(undone);
    this.#options.onProgress({ ...this.#progress });
    this.#goOn();
  }
}
