import { inspect } from 'node:util';
import type { Usage } from './budget.js';
import type { Outcome } from './document.js';
import { ConfigError } from './errors.js';
import type { Entity } from './offsets.js';
import { checked, harmless, type NerClientOptions, type Settings } from './options.js';
import { type Progress, Run } from './run.js';
import { Sender } from './sender.js';
import type { Description } from './wire.js';

export interface ExtractOptions {
  /**
   * Aborts at once, whatever is being waited for; what is thrown is `signal.reason`.
   * @default none
   */
  signal?: AbortSignal | undefined;
  /**
   * Which labels to keep, e.g. `['PERSON', 'ORG']`.
   * @default all
   */
  labels?: readonly string[] | undefined;
  /**
   * What becomes of a text with half of a surrogate pair, which no service can take: each half is sent as U+FFFD, which
   * changes no offset, or the document is refused.
   * @default 'replace'
   */
  illFormed?: 'replace' | 'reject' | undefined;
}

export interface ExtractAllOptions<D> extends ExtractOptions {
  /**
   * Finds the text in a document. Not needed when the documents are strings.
   * @default the document itself
   */
  text: (document: D) => string;
  /**
   * Whether outcomes come in the order of the source, or each as soon as it is there.
   * @default 'input'
   */
  order?: 'input' | 'completion' | undefined;
  /**
   * Called after each answer, and when the source ends.
   * @default none
   */
  onProgress?: ((progress: Progress) => void) | undefined;
}

type AnySource = Partial<Iterable<unknown> & AsyncIterable<unknown>> | undefined;
type AnyOptions<D> = Omit<ExtractAllOptions<D>, 'text'> & { text?: (document: D) => unknown };

// Longer texts than this are cut: then it matters how long one may be.
const SHORT_TEXT = 10_000;

/** Calls the service: one text or a stream of documents in, named entities out. */
export class NerClient {
  readonly #settings: Settings;
  readonly #sender: Sender;

  /** @throws {ConfigError} for an option that is missing or wrong */
  constructor(options: NerClientOptions) {
    this.#settings = checked(options);
    this.#sender = new Sender(this.#settings);
  }

  /**
   * The entities of one text of any length, in its order. An empty text has none and costs no request.
   *
   * @throws {NerError} see the subclasses; `signal.reason` on abort
   */
  async extract(text: string, options: ExtractOptions = {}): Promise<Entity[]> {
    const askLimits = typeof text === 'string' && text.length > SHORT_TEXT;
    for await (const outcome of this.#run([text], options, askLimits).outcomes()) {
      if (outcome.ok) return outcome.entities;
      throw outcome.error;
    }
    return [];
  }

  /**
   * The entities of many documents of any length, many a request, in the order of the source.
   *
   * Reads ahead by as much as a few full requests of each slot, and no further until outcomes are taken. What one
   * document does wrong is its own outcome. An error of the source is thrown after the outcomes of all that came before
   * it. Whoever leaves the loop gives up the requests under way.
   *
   * @throws {NerError} what every document would meet: wrong key, wrong url, nobody there; `signal.reason` on abort
   */
  extractAll(
    source: Iterable<string> | AsyncIterable<string>,
    options?: Omit<ExtractAllOptions<string>, 'text'>,
  ): AsyncGenerator<Outcome<string>, void, undefined>;
  extractAll<D>(
    source: Iterable<D> | AsyncIterable<D>,
    options: ExtractAllOptions<D>,
  ): AsyncGenerator<Outcome<D>, void, undefined>;
  async *extractAll<D>(
    source: Iterable<D> | AsyncIterable<D>,
    options: AnyOptions<D> = {},
  ): AsyncGenerator<Outcome<D>, void, undefined> {
    if (typeof source === 'string') throw new ConfigError('extractAll takes many documents; use extract for one text');
    yield* this.#run(source, options, true).outcomes();
  }

  /**
   * Which model the service has, which labels that gives, and what a request may hold. One attempt.
   *
   * @throws {NerError} when it does not say; a {@link RouteError} where the gateway has no route for it
   */
  describe({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Description> {
    return this.#sender.describe(signal);
  }

  /** The gateway's limits for this key and what is used of them, as its answers told; empty before the first. */
  budget(): Usage[] {
    return this.#sender.usage;
  }

  /**
   * Takes no more requests, waits for those under way with all their attempts, then closes the sockets. To wait for none,
   * abort them first.
   */
  close(): Promise<void> {
    return this.#sender.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run<D>(source: Iterable<D> | AsyncIterable<D>, options: AnyOptions<D>, askLimits: boolean): Run<D> {
    const { text = (document: D) => document, order = 'input', labels, illFormed = 'replace' } = options;
    if (typeof text !== 'function') throw new ConfigError('text must be a function that finds the text in a document');
    oneOf('order', order, ['input', 'completion']);
    oneOf('illFormed', illFormed, ['replace', 'reject']);
    if (labels !== undefined && !(Array.isArray(labels) && labels.every((label) => typeof label === 'string'))) {
      throw new ConfigError("labels must be an array of strings, e.g. ['PERSON', 'ORG']");
    }
    if (
      typeof (source as AnySource)?.[Symbol.iterator] !== 'function' &&
      typeof (source as AnySource)?.[Symbol.asyncIterator] !== 'function'
    ) {
      throw new ConfigError('extractAll takes an iterable or async iterable of documents');
    }
    const { signal } = options;
    const onProgress = harmless(options.onProgress);
    const known = labels && new Set(labels);
    return new Run(
      source,
      { text, order, labels: known, illFormed, onProgress, signal, askLimits },
      this.#sender,
      this.#settings,
    );
  }
}

function oneOf(name: string, value: unknown, values: string[]): void {
  if (values.includes(value as string)) return;
  throw new ConfigError(`${name} must be ${values.map((it) => `'${it}'`).join(' or ')}, not ${inspect(value)}`);
}
