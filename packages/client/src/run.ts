import { setMaxListeners } from 'node:events';
import { abortable } from './abort.js';
import type { Ticket } from './budget.js';
import { Document, type DocumentOptions, type Found, type Outcome, type Text } from './document.js';
import { concernsEveryDocument, NerError } from './errors.js';
import type { Settings } from './options.js';
import { Queue } from './queue.js';
import type { Sender } from './sender.js';
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

export interface RunOptions<D> extends Omit<DocumentOptions<D>, 'onSettled'> {
  order: 'input' | 'completion';
  onProgress: (progress: Progress) => void;
  /** Whether the service is asked what a request may hold, before the first. */
  askLimits: boolean;
  signal: AbortSignal | undefined;
}

// How long a request that is not full waits for the source's next document: longer than reading on in a file takes.
const LINGER_MS = 20;
// Documents in hand, in full requests of all slots: read, and their outcomes not yet taken.
const REQUESTS_IN_HAND_PER_SLOT = 3;
// What the service had no time or no room for: it can be sent again.
const UNDONE = new Set(['deadline_exceeded', 'response_too_large']);

// An own reason costs less than the usual one, which takes a stack trace.
const LEFT = new Error('nobody takes outcomes any more');

/** One pass over a source of documents: reads, fills requests, sends them, hands outcomes out. */
export class Run<D> {
  readonly #options: RunOptions<D>;
  readonly #documentOptions: DocumentOptions<D>;
  readonly #sender: Sender;
  readonly #settings: Settings;
  readonly #iterator: Iterator<D> | AsyncIterator<D>;
  readonly #stop = new AbortController();
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
    this.#documentOptions = { ...options, onSettled: (document) => this.#onSettled(document) };
    this.#sender = sender;
    this.#settings = settings;
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** @throws what every document would meet, or the source's error, after the outcomes of all that came before */
  async *outcomes(): AsyncGenerator<Outcome<D>, void, undefined> {
    const { signal } = this.#options;
    const onAbort = () => this.#stop.abort(signal?.reason);
    if (signal) {
      // One signal for a thousand calls is usual; Node would warn of a leak at the eleventh.
      setMaxListeners(0, signal);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
    }
    try {
      for (;;) {
        this.#stop.signal.throwIfAborted();
        this.#readOn();
        this.#sendOn();
        const document = this.#takeDone();
        if (document?.outcome) yield document.outcome;
        else if (this.#ended()) break;
        else await abortable(this.#change(), this.#stop.signal);
      }
      const failure = this.#fatal ?? this.#sourceError;
      if (failure) throw failure.error;
    } finally {
      // Whoever stops taking outcomes stops the requests too.
      this.#stop.abort(LEFT);
      signal?.removeEventListener('abort', onAbort);
      const closed = Promise.resolve(this.#iterator.return?.()).catch(() => {});
      // A source that is being read closes only when it answers, which may be never.
      if (!this.#reading) await closed;
    }
  }

  #ended(): boolean {
    return this.#underWay === 0 && (!!this.#fatal || (this.#progress.ended && this.#inHand.size === 0));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
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
    try {
      do {
        const next = await this.#iterator.next();
        if (this.#stop.signal.aborted) break;
        if (next.done) this.#end();
        else this.#add(next.value);
      } while (!this.#progress.ended && !this.#fatal && this.#hasRoom());
    } catch (error) {
      this.#sourceError = { error };
      this.#end();
    }
    this.#reading = false;
    this.#wake();
  }

  #end(): void {
    this.#progress.ended = true;
    this.#options.onProgress({ ...this.#progress });
  }

  #add(value: D): void {
    const document = new Document(this.#progress.read++, value, this.#documentOptions);
    this.#inHand.set(document.index, document);
    this.#sizeInHand += document.size;
    if (!document.outcome) this.#queue.add(document);
    this.#dry = false;
    this.#wake();
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
    else if (!this.#lingering) void this.#linger();
  }

  async #linger(): Promise<void> {
    this.#lingering = true;
    const { read } = this.#progress;
    await this.#settings.clock.sleep(LINGER_MS, this.#stop.signal).catch(() => {});
    this.#lingering = false;
    this.#dry = this.#progress.read === read;
    this.#wake();
  }

  async #send(): Promise<void> {
    this.#waiting = true;
    this.#underWay++;
    const { signal } = this.#stop;
    try {
      if (this.#options.askLimits) await this.#sender.learnLimits(signal);
      const failed = await this.#sender.inTurn(signal, (ticket) => this.#sendNext(ticket));
      if (failed) {
        const send = (part: Text[], stubborn?: boolean) =>
          this.#sender.inTurn(signal, (ticket) => this.#sender.request(part, ticket, signal, stubborn));
        this.#settle(failed, await inHalves(failed, send));
      }
    } catch (error) {
      this.#fatal ??= { error };
    }
    this.#waiting = false;
    this.#underWay--;
    this.#wake();
  }

  /**
   * Takes what one request holds, sends it, and settles it before the slot is the next one's.
   *
   * @returns texts that are to be sent in halves
   */
  async #sendNext(ticket: Ticket): Promise<Text[] | undefined> {
    const { size, limits } = this.#sender;
    const texts = this.#fatal ? [] : this.#queue.take(size, limits);
    this.#waiting = false;
    this.#wake();
    if (texts.length === 0) return void ticket.release();
    try {
      this.#settle(texts, await this.#sender.request(texts, ticket, this.#stop.signal));
    } catch (error) {
      if (texts.length > 1 && worthHalving(error)) return texts;
      if (concernsEveryDocument(error)) this.#fatal ??= { error };
      else
        this.#settle(
          texts,
          texts.map(() => error as NerError),
        );
    }
    return undefined;
  }

  #settle(texts: Text[], found: (Found | NerError)[]): void {
    const anyDone = found.some((it) => !(it instanceof NerError) && 'entities' in it.result);
    const undone: Text[] = [];
    texts.forEach((text, i) => {
      const it = found[i] as Found | NerError;
      const again = !(it instanceof NerError) && 'code' in it.result && UNDONE.has(it.result.code);
      // It costs no attempt when something else came back: the rest is less each time.
      if (again && (anyDone || ++text.tries < this.#settings.policy.maxAttempts)) undone.push(text);
      else text.settle(it);
    });
    this.#queue.putBack(undone);
    this.#options.onProgress({ ...this.#progress });
  }
}
