import type { Dispatcher } from 'undici';
import { type Clock, systemClock, type Wait } from './clock.js';
import { ConfigError } from './errors.js';
import { defaultPolicy, type RetryPolicy } from './retry.js';

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
  /** `server-timing` in ms, e.g. `{ init: 612, load: 180, ner: 95.2 }`; empty when the function did not answer. */
  timings: Record<string, number>;
  /** Which attempt of its request this was, from 1. */
  attempt: number;
  /** How many texts the request held. */
  texts: number;
}

export interface NerClientOptions {
  /** The full address of the endpoint, http or https, with its route: `https://kong.example.com/nlp/ner`. */
  url: string;
  /** The consumer's key. Undefined is refused by a sentence that names NER_API_KEY. */
  apiKey: string | undefined;
  /**
   * The header that the key is sent in.
   * @default 'apikey'
   */
  apiKeyHeader?: string | undefined;
  /**
   * Requests under way at once. Lambda's throttling halves it for a while.
   * @default 5
   */
  concurrency?: number | undefined;
  /**
   * The share of the key's rate limit that this client may use, above 0 and up to 1: 0.25 for one of four processes with
   * one key. All of them may keep 1, too: each sees what the others use, at the price of a few answers of 429.
   * @default 1
   */
  budgetShare?: number | undefined;
  /**
   * How often one request is sent before its error stands. What the gateway's rate limit or Lambda's throttling refused
   * does not count. A request of several texts that fails, twice if by 502, 504 or a time-out, is sent in halves, down to
   * the texts to blame; each half counts its attempts and its deadline anew.
   * @default 6
   */
  maxAttempts?: number | undefined;
  /**
   * How long one attempt may take, in ms. The default outlives the gateway, which answers by itself after 45 s.
   * @default 50_000
   */
  attemptTimeoutMs?: number | undefined;
  /**
   * How long one request may take from its first sending, in ms, with all its attempts and the waits between them; waits
   * for the rate limit do not count.
   * @default 300_000
   */
  deadlineMs?: number | undefined;
  /**
   * An undici dispatcher, e.g. for a proxy, a CA or a client certificate. Whoever makes it closes it.
   * @default a Pool with as many connections as `concurrency`
   */
  dispatcher?: Dispatcher | undefined;
  /**
   * Called for every HTTP answer to texts, those that are retried included.
   * @default none
   */
  onResponse?: ((info: ResponseInfo) => void) | undefined;
  /**
   * Called when a wait begins: for the rate limit's next window, or before another attempt.
   * @default none
   */
  onWait?: ((wait: Wait) => void) | undefined;
  /**
   * Time and chance, for tests.
   * @default the system's
   */
  clock?: Clock | undefined;
}

/** The options, checked, with their defaults. */
export interface Settings {
  url: URL;
  apiKey: string;
  apiKeyHeader: string;
  concurrency: number;
  budgetShare: number;
  policy: RetryPolicy;
  dispatcher: Dispatcher | undefined;
  onResponse: (info: ResponseInfo) => void;
  onWait: (wait: Wait) => void;
  clock: Clock;
}

/** @throws {ConfigError} for an option that is missing or wrong */
export function checked(options: NerClientOptions): Settings {
  return {
    url: checkedUrl(options.url),
    apiKey: checkedKey(options.apiKey),
    apiKeyHeader: checkedHeader(options.apiKeyHeader ?? 'apikey'),
    concurrency: atLeastOne('concurrency', options.concurrency ?? 5),
    budgetShare: checkedShare(options.budgetShare ?? 1),
    policy: {
      maxAttempts: atLeastOne('maxAttempts', options.maxAttempts ?? defaultPolicy.maxAttempts),
      attemptTimeoutMs: atLeastOne('attemptTimeoutMs', options.attemptTimeoutMs ?? defaultPolicy.attemptTimeoutMs),
      deadlineMs: atLeastOne('deadlineMs', options.deadlineMs ?? defaultPolicy.deadlineMs),
    },
    dispatcher: options.dispatcher,
    onResponse: harmless(options.onResponse),
    onWait: harmless(options.onWait),
    clock: options.clock ?? systemClock,
  };
}

/** A callback whose error is a warning of the process: it must not hold up, or end, what it only hears of. */
export function harmless<T>(callback: ((value: T) => void) | undefined): (value: T) => void {
  return (value) => {
    try {
      callback?.(value);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  };
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

function checkedHeader(value: string): string {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(value)) throw new ConfigError('apiKeyHeader must be the name of an HTTP header');
  return value.toLowerCase();
}

function checkedShare(value: number): number {
  if (!(value > 0 && value <= 1)) throw new ConfigError(`budgetShare must be above 0 and up to 1, not ${value}`);
  return value;
}

/** A timer's longest delay, in ms. */
const LONGEST_MS = 2 ** 31 - 1;

function atLeastOne(name: string, value: number): number {
  if (!(Number.isInteger(value) && value >= 1)) {
    throw new ConfigError(`${name} must be a whole number of at least 1, not ${value}`);
  }
  if (value > LONGEST_MS) throw new ConfigError(`${name} must be at most ${LONGEST_MS}, not ${value}`);
  return value;
}
