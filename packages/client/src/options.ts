import { inspect } from 'node:util';
import type { Dispatcher } from 'undici';
import { type Clock, systemClock } from './clock.js';
import { ConfigError, type NerError, printable } from './errors.js';

/** What happens while a client works, for counting, logging and progress. */
export type NerEvent = AnswerEvent | WaitEvent | OutageEvent;

/** An HTTP answer to texts, of whatever status. */
export interface AnswerEvent {
  type: 'answer';
  /** HTTP status. */
  status: number;
  /** `x-request-id`: what to search the service's logs for. */
  requestId: string;
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

/** Nothing is sent until the rate limit has room again. */
export interface WaitEvent {
  type: 'wait';
  /** ms */
  ms: number;
  /** A part of a sentence, for people: "100 of 100 used this minute". */
  reason: string;
}

/** The service is away: nothing is sent until the next probe. */
export interface OutageEvent {
  type: 'outage';
  /** Until the next probe. */
  ms: number;
  /** Until every call ends with a `ServiceUnavailableError`, in ms. */
  left: number;
  /** Of the last request. */
  error: NerError;
}

export interface NerClientOptions {
  /** The full address of the endpoint, http or https, with its route: `https://kong.example.com/nlp/ner`. */
  url: string;
  /**
   * The consumer's key, or a function that gives it, for keys that change: it is called for each request. Undefined is
   * refused by a sentence that names NER_API_KEY.
   */
  apiKey: string | undefined | (() => string | undefined | Promise<string | undefined>);
  /**
   * The header that the key is sent in.
   * @default 'apikey'
   */
  apiKeyHeader?: string | undefined;
  /**
   * Headers to add to each request, e.g. `{ traceparent: … }`.
   * @default none
   */
  headers?: Record<string, string> | undefined;
  /**
   * Requests under way at once. Lambda's throttling halves it for a while.
   * @default 5
   */
  concurrency?: number | undefined;
  /**
   * The share of the key's rate limit that this client may use, above 0 and up to 1: 0.25 for one of four processes with
   * one key. All of them may keep 1, too: each learns what is its own from what the others use.
   * @default 1
   */
  budgetShare?: number | undefined;
  /**
   * How long the service may be away, in ms, before the client gives up with a `ServiceUnavailableError`; where nothing
   * ever answered, a minute at most. Waits for the rate limit do not count.
   * @default 900_000
   */
  outageMs?: number | undefined;
  /**
   * How long one attempt may take, in ms. The default outlives the gateway, which answers by itself after 45 s.
   * @default 50_000
   */
  attemptTimeoutMs?: number | undefined;
  /**
   * A dispatcher of undici 7, e.g. for a proxy, a CA or a client certificate. Whoever makes it closes it.
   * @default a Pool with as many connections as `concurrency`
   */
  dispatcher?: Dispatcher | undefined;
  /**
   * Called with what happens: each answer to texts, and when a wait begins for the rate limit or because the service is
   * away.
   * @default none
   */
  onEvent?: ((event: NerEvent) => void) | undefined;
  /**
   * Time and chance, for tests.
   * @default the system's
   */
  clock?: Clock | undefined;
}

/** The options, checked, with their defaults. `apiKey` throws a ConfigError when there is none that can be sent. */
export type Settings = ReturnType<typeof checked>;

/** The defaults that other clocks have to agree with, in ms. */
export const DEFAULTS = { attemptTimeoutMs: 50_000, outageMs: 900_000 } as const;

const NAMES = [
  ...['url', 'apiKey', 'apiKeyHeader', 'headers', 'concurrency', 'budgetShare', 'outageMs', 'attemptTimeoutMs'],
  ...['dispatcher', 'onEvent', 'clock'],
];

/** @throws {ConfigError} for an option that is missing, wrong or unknown */
export function checked(options: NerClientOptions) {
  onlyKnown(options, NAMES, 'new NerClient');
  const { apiKey, budgetShare = 1, dispatcher, onEvent = () => {}, clock = systemClock } = options;
  const apiKeyHeader = checkedName(options.apiKeyHeader ?? 'apikey', 'apiKeyHeader');
  const key = typeof apiKey === 'function' ? apiKey : checkedKey(apiKey);
  const inRange = typeof budgetShare === 'number' && budgetShare > 0 && budgetShare <= 1;
  must(inRange, `budgetShare must be above 0 and up to 1, not ${inspect(budgetShare, { depth: 0 })}`);
  must(
    !dispatcher || typeof dispatcher.dispatch === 'function',
    'dispatcher must be a dispatcher of undici 7, e.g. new ProxyAgent(…); an Agent of node:http is none',
  );
  must(typeof onEvent === 'function', 'onEvent must be a function');
  return {
    url: checkedUrl(options.url),
    apiKey: typeof key === 'function' ? () => fromFunction(key) : () => key,
    apiKeyHeader,
    headers: checkedHeaders(options.headers, apiKeyHeader),
    concurrency: atLeastOne('concurrency', options.concurrency ?? 5),
    budgetShare,
    outageMs: atLeastOne('outageMs', options.outageMs ?? DEFAULTS.outageMs),
    attemptTimeoutMs: atLeastOne('attemptTimeoutMs', options.attemptTimeoutMs ?? DEFAULTS.attemptTimeoutMs),
    dispatcher,
    onEvent: harmless(onEvent),
    clock,
  };
}

/** @throws {ConfigError} `sentence`, unless `condition` holds */
export function must(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new ConfigError(sentence);
}

/** @throws {ConfigError} when `options` is no object, or has a name that is not among `names` */
export function onlyKnown(options: unknown, names: readonly string[], of: string): void {
  const found = options === null ? 'null' : typeof options;
  must(typeof options === 'object' && options, `${of} takes an object of options, not ${found}`);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  must(unknown === undefined, `${of} has no option ${printable(unknown ?? '')}; it has ${names.join(', ')}`);
}

/** A callback whose error is a warning of the process: it must not hold up, or end, what it only hears of. */
function harmless<T>(callback: (value: T) => void): (value: T) => void {
  // One that is async gives a promise, whatever its type says.
  const call = async (value: T) => callback(value);
  return (value) => {
    call(value).catch((error) => process.emitWarning(error instanceof Error ? error : String(error)));
  };
}

// What HTTP or this client sets itself.
const OURS = new Set(
  'connection content-length content-type expect host keep-alive te trailer transfer-encoding upgrade x-request-id'.split(
    ' ',
  ),
);

/** @throws {ConfigError} for a header that cannot be set; it names the header, never its value */
export function checkedHeaders(headers: unknown = {}, apiKeyHeader: string): Record<string, string> {
  must(
    typeof headers === 'object' && headers && !(Symbol.iterator in headers),
    "headers must be an object of strings, e.g. { traceparent: '…' }",
  );
  const all = Object.entries(headers).map(([key, value]) => {
    const name = checkedName(key, `the name of the header ${printable(key)}`);
    must(!OURS.has(name) && name !== apiKeyHeader, `the header ${name} is set by the client itself`);
    must(
      typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value),
      `the header ${name} must be a string without line breaks, of Latin-1 characters`,
    );
    return [name, value] as const;
  });
  return Object.fromEntries(all);
}

// A timer's longest delay.
const LONGEST_MS = 2 ** 31 - 1;

/** @throws {ConfigError} */
export function atLeastOne(name: string, value: number): number {
  const shown = inspect(value, { depth: 0 });
  must(Number.isInteger(value) && value >= 1, `${name} must be a whole number of at least 1, not ${shown}`);
  must(value <= LONGEST_MS, `${name} must be at most ${LONGEST_MS}, not ${shown}`);
  return value;
}

function checkedUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  must(
    url?.protocol === 'http:' || url?.protocol === 'https:',
    'url must be an http or https address, e.g. https://kong.example.com/nlp/ner',
  );
  must(!url.username && !url.password, 'url must not hold a user name or password');
  must(url.pathname !== '/', 'url must include the route, e.g. /nlp/ner');
  return url;
}

async function fromFunction(apiKey: () => unknown): Promise<string> {
  let key: unknown;
  try {
    key = await apiKey();
  } catch (cause) {
    throw new ConfigError('the function that apiKey is gave no key, but an error', { cause });
  }
  return checkedKey(key);
}

function checkedKey(value: unknown): string {
  must(value, 'no API key: set the environment variable NER_API_KEY and pass it as apiKey');
  must(typeof value === 'string', 'apiKey must be a string, or a function that gives one');
  must(
    /^[\x21-\x7e]+$/.test(value),
    'the API key holds a space, a line break or another character that no key has; check NER_API_KEY',
  );
  return value;
}

function checkedName(value: string, what: string): string {
  must(typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value), `${what} must be the name of an HTTP header`);
  return value.toLowerCase();
}
