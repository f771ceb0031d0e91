import { inspect } from 'node:util';
import type { Usage } from './budget.js';
import { Calls } from './calls.js';
import type { Outcome } from './document.js';
import { TimeoutError } from './errors.js';
import type { Entity } from './offsets.js';
import {
  atLeastOne,
  checked,
  checkedHeaders,
  must,
  type NerClientOptions,
  onlyKnown,
  type Settings,
} from './options.js';
import { Run } from './run.js';
import { Scheduler } from './scheduler.js';
import type { Description } from './wire.js';

interface CommonOptions {
  /**
   * Aborts at once, whatever is being waited for; what is thrown is `signal.reason`.
   * @default none
   */
  signal?: AbortSignal | undefined;
  /**
   * How long the whole call may take, in ms, with all its waits; then it ends with a `TimeoutError`.
   * @default none
   */
  timeoutMs?: number | undefined;
  /**
   * Headers to add to the requests of this call. It shares none with others.
   * @default none
   */
  headers?: Record<string, string> | undefined;
  /**
   * Which labels to keep, e.g. `['PERSON', 'ORG']`.
   * @default all
   */
  labels?: readonly string[] | undefined;
}

export interface ExtractOptions extends CommonOptions {
  /**
   * Sends the text at once in a request of its own, instead of sharing one with other calls.
   * @default false
   */
  alone?: boolean | undefined;
}

export interface ExtractAllOptions<D> extends CommonOptions {
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
}

type AnyOptions<D> = Omit<ExtractAllOptions<D>, 'text'> & { text?: (document: D) => unknown };

const COMMON = ['signal', 'timeoutMs', 'headers', 'labels'];

/** Calls the service: one text or a stream of documents in, named entities out. */
export class NerClient {
  readonly #settings: Settings;
  readonly #scheduler: Scheduler;
  readonly #calls: Calls;

  /** @throws {ConfigError} for an option that is missing, wrong or unknown */
  constructor(options: NerClientOptions) {
    this.#settings = checked(options);
    this.#scheduler = new Scheduler(this.#settings);
    this.#calls = new Calls(this.#scheduler, {});
  }

  /**
   * The entities of one text of any length, in its order. An empty text has none and costs no request. Calls that are made
   * at about the same time share requests.
   *
   * @throws {NerError} see the subclasses; `signal.reason` on abort
   */
  async extract(text: string, options: ExtractOptions = {}): Promise<Entity[]> {
    onlyKnown(options, [...COMMON, 'alone'], 'extract');
    const { alone = false } = options;
    must(typeof alone === 'boolean', `alone must be true or false, not ${inspect(alone)}`);
    const { headers, end, ...call } = this.#begin(options);
    const shared = !alone && headers === undefined;
    const calls = shared ? this.#calls : new Calls(this.#scheduler, headers ?? {});
    return calls.extract(text, call, shared).finally(end);
  }

  /**
   * The entities of many documents of any length, many a request, in the order of the source.
   *
   * Reads ahead by as much as a few full requests of each slot, and no further until outcomes are taken. What one
   * document does wrong is its own outcome. An error of the source is thrown after the outcomes of all that came before
   * it. Whoever leaves the loop gives up the requests under way.
   *
   * @throws {NerError} an error that affects every document: wrong key, wrong url, a service that stays away;
   *   `signal.reason` on abort
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
    onlyKnown(options, [...COMMON, 'text', 'order'], 'extractAll');
    const { text = (document: D) => document, order = 'input' } = options;
    must(typeof source !== 'string', 'extractAll takes many documents; use extract for one text');
    const each = Object(source)[Symbol.iterator] ?? Object(source)[Symbol.asyncIterator];
    must(typeof each === 'function', 'extractAll takes an iterable or async iterable of documents');
    must(typeof text === 'function', 'text must be a function that finds the text in a document');
    must(order === 'input' || order === 'completion', `order must be 'input' or 'completion', not ${inspect(order)}`);
    const { end, headers = {}, ...call } = this.#begin(options);
    try {
      yield* new Run(source, { ...call, text, order, headers }, this.#scheduler).outcomes();
    } finally {
      end();
    }
  }

  /**
   * Which model the service has, which labels that gives, and what a request may hold. One attempt.
   *
   * @throws {NerError} when it does not say; a {@link RouteError} where the gateway has no route for it
   */
  async describe({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Description> {
    return this.#scheduler.describe(signal);
  }

  /** The gateway's limits for this key and what is used of them, as its answers told; empty before the first. */
  budget(): Usage[] {
    return this.#scheduler.usage;
  }

  /**
   * Takes no more calls, ends those that were made before with all their attempts, then closes the sockets. A loop over
   * `extractAll` that goes on is ended too; one that does not holds nothing up. To wait for none, abort them first.
   */
  close(): Promise<void> {
    return this.#scheduler.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What a call's options say, checked. `signal` is the caller's, which `timeoutMs` aborts too, until `end`. */
  #begin({ labels, headers, signal, timeoutMs }: CommonOptions) {
    const words = Array.isArray(labels) && labels.every((label) => typeof label === 'string');
    must(labels === undefined || words, "labels must be an array of strings, e.g. ['PERSON', 'ORG']");
    must(signal === undefined || signal instanceof AbortSignal, 'signal must be an AbortSignal');
    const call = {
      labels: labels && new Set(labels),
      headers: headers && checkedHeaders(headers, this.#settings.apiKeyHeader),
      signal,
      end: () => {},
    };
    if (timeoutMs === undefined) return call;
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new TimeoutError(`the call took longer than timeoutMs, ${timeoutMs} ms`)),
      atLeastOne('timeoutMs', timeoutMs),
    );
    call.signal = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    call.end = () => clearTimeout(timer);
    return call;
  }
}
