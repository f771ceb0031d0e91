import pLimit, { type LimitFunction } from 'p-limit';
import type { Dispatcher } from 'undici';
import { abortable } from './abort.js';
import { fill, type Item, prepare } from './batch.js';
import { ConfigError, concernsEveryDocument, DocumentError, type NerError } from './errors.js';
import { type Entity, toUtf16 } from './offsets.js';
import { readAhead } from './read-ahead.js';
import { type Clock, defaultPolicy, oneTextMayBeToBlame, type RetryPolicy, retry, systemClock } from './retry.js';
import { Transport } from './transport.js';
import { type Answer, type Model, type Result, readAnswer, requestBody } from './wire.js';

/** What an answer from the gateway or the service said, for counting and logging. */
export interface ResponseInfo {
  /** HTTP status. */
  status: number;
  /** `x-request-id`: what to search the service's logs for. */
  requestId: string | undefined;
  /**
   * Whether it was the first request of an execution environment that was initialised on demand for it; undefined when
   * the function did not answer.
   */
  coldStart: boolean | undefined;
  /** Which attempt of its request this was, from 1. */
  attempt: number;
  /** How many texts the request held. */
  texts: number;
}

export interface NerClientOptions {
  /** The full address of the endpoint, http or https, with its route: `https://kong.example.com/nlp/ner`. */
  url: string;
  /** The consumer's key, sent as the header `apikey`. */
  apiKey: string | undefined;
  /**
   * Requests under way at once.
   * @default 5
   */
  concurrency?: number;
  /**
   * How often one request is sent before its error stands. One of several texts that fails twice by 502, 504 or a
   * time-out is sent in halves, down to the text to blame; each part counts its attempts and its deadline anew.
   * @default 6
   */
  maxAttempts?: number;
  /**
   * How long one attempt may take, in ms. The default outlives the gateway, which answers by itself after 45 s.
   * @default 50_000
   */
  attemptTimeoutMs?: number;
  /**
   * How long one request may take with all its attempts and waits, in ms.
   * @default 300_000
   */
  deadlineMs?: number;
  /**
   * An undici dispatcher, e.g. for a proxy, a CA or a client certificate. Whoever makes it closes it.
   * @default an Agent with as many connections as `concurrency`
   */
  dispatcher?: Dispatcher;
  /** Called for every HTTP answer, those that are retried included. */
  onResponse?: (info: ResponseInfo) => void;
  /**
   * Time and chance, for tests.
   * @default the system's
   */
  clock?: Clock;
}

export interface ExtractOptions {
  signal?: AbortSignal;
}

export interface ExtractAllOptions<D> extends ExtractOptions {
  /** Finds the text in a document. Not needed when the documents are strings. */
  text: (document: D) => string;
}

/** What became of one document. `index` counts the source's documents from 0. */
export type Outcome<D> =
  | {
      ok: true;
      index: number;
      document: D;
      entities: Entity[];
      /** Which model found them; undefined for an empty text, which is never sent. */
      model: Model | undefined;
    }
  | { ok: false; index: number; document: D; error: NerError };

// The least that tells a bad moment from a text that fails each time.
const MAX_BLAMED = 2;

/** Calls the service: one text or a stream of documents in, named entities out. */
export class NerClient {
  readonly #transport: Transport;
  readonly #apiKey: string;
  readonly #limit: LimitFunction;
  readonly #policy: RetryPolicy;
  readonly #clock: Clock;
  readonly #onResponse: ((info: ResponseInfo) => void) | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  /** @throws {ConfigError} for an option that is missing or wrong */
  constructor(options: NerClientOptions) {
    const url = checkedUrl(options.url);
    this.#apiKey = checkedKey(options.apiKey);
    const concurrency = atLeastOne('concurrency', options.concurrency ?? 5);
    this.#transport = new Transport(url, this.#apiKey, concurrency, options.dispatcher);
    this.#limit = pLimit(concurrency);
    this.#policy = {
      maxAttempts: atLeastOne('maxAttempts', options.maxAttempts ?? defaultPolicy.maxAttempts),
      attemptTimeoutMs: atLeastOne('attemptTimeoutMs', options.attemptTimeoutMs ?? defaultPolicy.attemptTimeoutMs),
      deadlineMs: atLeastOne('deadlineMs', options.deadlineMs ?? defaultPolicy.deadlineMs),
    };
    this.#clock = options.clock ?? systemClock;
    this.#onResponse = options.onResponse;
  }

  /**
   * The entities of one text, in its order. An empty text has none and costs no request.
   *
   * @param text up to 40,000 code points
   * @throws {NerError} see the subclasses; `signal.reason` on abort
   */
  async extract(text: string, { signal }: ExtractOptions = {}): Promise<Entity[]> {
    const item = prepare(0, text, (document) => document);
    const [outcome] = await abortable(this.#send([item], signal), signal);
    if (!outcome?.ok) throw outcome?.error;
    return outcome.entities;
  }

  /**
   * The entities of many documents, many a request, in the order of the source.
   *
   * Reads ahead by as many requests as may be under way, and no further until outcomes are taken. What one document
   * does wrong is its own outcome. An error of the source is thrown after the outcomes of all that came before it.
   *
   * @throws {NerError} what every document would meet: wrong key, wrong url, nobody there; `signal.reason` on abort
   */
  extractAll(
    source: Iterable<string> | AsyncIterable<string>,
    options?: ExtractOptions,
  ): AsyncGenerator<Outcome<string>, void, undefined>;
  extractAll<D>(
    source: Iterable<D> | AsyncIterable<D>,
    options: ExtractAllOptions<D>,
  ): AsyncGenerator<Outcome<D>, void, undefined>;
  async *extractAll<D>(
    source: Iterable<D> | AsyncIterable<D>,
    options: ExtractOptions & { text?: (document: D) => unknown } = {},
  ): AsyncGenerator<Outcome<D>, void, undefined> {
    if (typeof source === 'string') throw new ConfigError('extractAll takes many documents; use extract for one text');
    const select = options.text ?? ((document: D) => document);
    const stop = new AbortController();
    const { signal } = options;
    const onAbort = () => stop.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const requests = fill(source, select, stop.signal);
      const send = (items: Item<D>[]) => this.#send(items, stop.signal);
      for await (const outcomes of readAhead(requests, send, this.#limit.concurrency, stop.signal)) yield* outcomes;
    } finally {
      // Whoever stops taking outcomes stops the requests too.
      stop.abort();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Takes no more requests, waits for those under way with all their attempts, then closes the sockets. To wait for none,
   * abort them first.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    await this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The outcomes of one request's documents. Rejects only with what concerns every document. */
  async #send<D>(items: Item<D>[], signal: AbortSignal | undefined): Promise<Outcome<D>[]> {
    if (this.#closed) throw new ConfigError('this client is closed; make a new one');
    const unsent = items.filter((item) => item.text === '').map(unsentOutcome);
    const texts = items.filter((item) => item.text !== '');
    if (texts.length === 0) return unsent;
    const sending = this.#serve(texts, signal);
    this.#underWay.add(sending);
    try {
      return [...unsent, ...(await sending)].sort((a, b) => a.index - b.index);
    } finally {
      this.#underWay.delete(sending);
    }
  }

  async #serve<D>(items: Item<D>[], signal: AbortSignal | undefined): Promise<Outcome<D>[]> {
    if (items.length === 1) return this.#request(items, signal);
    return (await this.#tryRequest(items, signal)) ?? this.#halve(items, signal);
  }

  /** Sends halves, and the halves of the one that fails, so that a text that no attempt survives fails alone. */
  async #halve<D>(items: Item<D>[], signal: AbortSignal | undefined): Promise<Outcome<D>[]> {
    if (items.length === 1) return this.#request(items, signal);
    const middle = Math.ceil(items.length / 2);
    const halves = [items.slice(0, middle), items.slice(middle)];
    const tried = await Promise.all(halves.map((half) => this.#tryRequest(half, signal)));
    // Neither came back: more likely the service is down. More halves would only spend the gateway's budget.
    if (tried.every((outcomes) => !outcomes)) return this.#request(items, signal);
    return (await Promise.all(halves.map((half, i) => tried[i] ?? this.#halve(half, signal)))).flat();
  }

  /** `undefined` when one text may be to blame. */
  async #tryRequest<D>(items: Item<D>[], signal: AbortSignal | undefined): Promise<Outcome<D>[] | undefined> {
    const outcomes = await this.#request(items, signal, MAX_BLAMED);
    return outcomes.some((outcome) => !outcome.ok && oneTextMayBeToBlame(outcome.error)) ? undefined : outcomes;
  }

  async #request<D>(items: Item<D>[], signal: AbortSignal | undefined, maxBlamed?: number): Promise<Outcome<D>[]> {
    const policy = maxBlamed === undefined ? this.#policy : { ...this.#policy, maxBlamed };
    const body = requestBody(items.map((item) => item.json));
    const attempt = async (number: number, timeoutMs: number): Promise<Answer> => {
      const reply = await this.#transport.post(body, timeoutMs, signal);
      const cold = reply.header('x-ner-cold-start');
      this.#onResponse?.({
        status: reply.status,
        requestId: reply.requestId,
        coldStart: cold === undefined ? undefined : cold === '1',
        attempt: number,
        texts: items.length,
      });
      return readAnswer(reply, items.length, this.#apiKey);
    };
    try {
      const { results, model } = await this.#limit(() => retry(attempt, policy, this.#clock, signal));
      return items.map((item, i) => sentOutcome(item, results[i] as Result, model));
    } catch (error) {
      if (concernsEveryDocument(error)) throw error;
      return items.map(({ index, document }) => ({ ok: false, index, document, error: error as NerError }));
    }
  }
}

function unsentOutcome<D>({ index, document, error }: Item<D>): Outcome<D> {
  if (error) return { ok: false, index, document, error };
  return { ok: true, index, document, entities: [], model: undefined };
}

function sentOutcome<D>({ index, document, text }: Item<D>, result: Result, model: Model): Outcome<D> {
  if ('error' in result) {
    return { ok: false, index, document, error: new DocumentError(result.code, result.error) };
  }
  try {
    return { ok: true, index, document, entities: toUtf16(text, result.entities), model };
  } catch (error) {
    return { ok: false, index, document, error: error as NerError };
  }
}

function checkedUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new ConfigError('url must be an http or https address, e.g. https://kong.example.com/nlp/ner');
  }
  if (url.username || url.password) throw new ConfigError('url must not hold a user name or password');
  if (url.pathname === '/') throw new ConfigError('url must include the route, e.g. /nlp/ner');
  return url;
}

function checkedKey(value: string | undefined): string {
  if (!value) throw new ConfigError('no API key: set the environment variable NER_API_KEY and pass it as apiKey');
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new ConfigError(
      'the API key holds a space, a line break or another character that no key has; check NER_API_KEY',
    );
  }
  return value;
}

function atLeastOne(name: string, value: number): number {
  if (!(Number.isInteger(value) && value >= 1)) {
    throw new ConfigError(`${name} must be a whole number of at least 1, not ${value}`);
  }
  return value;
}
