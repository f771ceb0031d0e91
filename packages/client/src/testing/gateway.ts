import type { Dispatcher } from 'undici';
import { type Clock, systemClock } from '../clock.js';
import { codePointLength, type Entity } from '../offsets.js';
import { DEFAULT_LIMITS, type Model } from '../wire.js';
import { answeredBy, type SentAnswer, type SentRequest } from './dispatcher.js';

/** What the gateway got. */
export interface FakeRequest {
  /** From 1. */
  number: number;
  texts: string[];
  /** By lower-case names. */
  headers: Record<string, string>;
}

/** What to answer instead of entities. */
export interface FakeAnswer {
  status: number;
  headers?: Record<string, string>;
  /** JSON, unless it is a string. */
  body?: unknown;
}

export interface FakeGatewayOptions {
  /**
   * The entities of a text, with offsets in UTF-16 and in order.
   * @default none
   */
  find?: (text: string) => readonly Entity[];
  /**
   * Requests a minute; then it answers 429 as Kong does.
   * @default no limit
   */
  limit?: number;
  /**
   * How many of the first requests are cold starts.
   * @default 0
   */
  coldStarts?: number;
  /**
   * Answers some requests otherwise, by a status or by an Error, for a connection that fails. Undefined for the others.
   * @default none
   */
  answer?: (request: FakeRequest) => FakeAnswer | Error | undefined | Promise<FakeAnswer | Error | undefined>;
  /**
   * Whose minutes the limit counts; the same as the client's.
   * @default the system's
   */
  clock?: Clock;
}

const MINUTE_MS = 60_000;
const MODEL: Model = { name: 'en_fake', version: '1.0.0', digest: '0'.repeat(64) };

/**
 * A gateway with a service behind it, for tests: `new NerClient({ url, apiKey, dispatcher: gateway.dispatcher })`. It needs
 * no socket, answers any url and key, and has the headers of Kong and of the function.
 */
export class FakeGateway {
  /** For the client. */
  readonly dispatcher: Dispatcher = answeredBy((request) => this.#serve(request));
  /** All requests with texts so far, those that were refused included. */
  readonly requests: FakeRequest[] = [];
  #minute = 0;
  #used = 0;
  #cold = 0;

  constructor(private readonly options: FakeGatewayOptions = {}) {}

  async #serve({ method, headers, body }: SentRequest): Promise<SentAnswer> {
    if (method === 'GET') return answer({ status: 200, body: { model: MODEL, labels: [], limits: DEFAULT_LIMITS } });
    const { texts } = JSON.parse(body ?? '') as { texts: string[] };
    const request = { number: this.requests.length + 1, texts, headers };
    this.requests.push(request);
    const { limit, find = () => [], answer: otherwise } = this.options;
    const budget = limit === undefined ? {} : this.#count(limit);
    if (budget['retry-after'] !== undefined) {
      const kong = { ...budget, 'x-kong-response-latency': '1' };
      return answer({ status: 429, headers: kong, body: { message: 'API rate limit exceeded' } });
    }
    const other = await otherwise?.(request);
    if (other instanceof Error) throw other;
    if (other) return answer({ ...other, headers: { ...budget, ...other.headers } });
    const results = texts.map((text) => ({ entities: find(text).map((entity) => toWire(text, entity)) }));
    const cold = this.#cold++ < (this.options.coldStarts ?? 0);
    const about = {
      via: '1.1 kong/3.9.3',
      'x-request-id': headers['x-request-id'] ?? '',
      'x-ner-cold-start': cold ? '1' : '0',
      'server-timing': 'ner;dur=1',
    };
    return answer({ status: 200, headers: { ...budget, ...about }, body: { results, model: MODEL } });
  }

  /** Kong's headers of a limit a minute; with a Retry-After when it is used up. */
  #count(limit: number): Record<string, string> {
    const now = (this.options.clock ?? systemClock).now();
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) this.#used = 0;
    this.#minute = minute;
    const full = this.#used >= limit;
    if (!full) this.#used++;
    const remaining = String(limit - this.#used);
    const reset = String(Math.ceil(((minute + 1) * MINUTE_MS - now) / 1000));
    return {
      date: new Date(now).toUTCString(),
      'x-ratelimit-limit-minute': String(limit),
      'x-ratelimit-remaining-minute': remaining,
      'ratelimit-limit': String(limit),
      'ratelimit-remaining': remaining,
      'ratelimit-reset': reset,
      ...(full && { 'retry-after': reset }),
    };
  }
}

function answer({ status, headers = {}, body = {} }: FakeAnswer): SentAnswer {
  const type = { 'content-type': 'application/json' };
  return { status, headers: { ...type, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) };
}

function toWire(text: string, { text: found, label, start, end }: Entity): object {
  const at = (unit: number) => codePointLength(text.slice(0, unit));
  return { text: found, label, start_char: at(start), end_char: at(end) };
}
