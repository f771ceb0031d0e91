import { tracingChannel } from 'node:diagnostics_channel';
import { RateBudget, type Ticket, type Usage } from './budget.js';
import type { Found, Text } from './document.js';
import { AuthenticationError, ConfigError, RequestError } from './errors.js';
import type { Settings } from './options.js';
import { Pace } from './pace.js';
import { retry } from './retry.js';
import { Slots } from './slots.js';
import { type Reply, Transport } from './transport.js';
import {
  type Answer,
  DEFAULT_LIMITS,
  type Description,
  type Limits,
  readAnswer,
  readDescription,
  requestBody,
  timings,
} from './wire.js';

/** What a subscriber of the diagnostics channels `tracing:burst-ner:request:*` gets: one attempt of one request. */
export interface RequestTrace {
  /** Without its query. */
  url: string;
  /** From 1. */
  attempt: number;
  /** How many texts the request holds. */
  texts: number;
  /** HTTP status, once there is an answer. */
  status?: number;
  /** `x-request-id` of the answer. */
  requestId?: string | undefined;
}

// The least that tells a bad moment from a text that fails each time.
const MAX_BLAMED = 2;

const trace = tracingChannel<'burst-ner:request', RequestTrace>('burst-ner:request');

/** Sends requests: each in a slot, within the rate budget, as often as it takes. */
export class Sender {
  readonly #settings: Settings;
  readonly #transport: Transport;
  readonly #budget: RateBudget;
  readonly #slots: Slots;
  readonly #pace = new Pace();
  readonly #underWay = new Set<Promise<unknown>>();
  #description: Description | undefined;
  #asked = false;
  #closed = false;

  constructor(settings: Settings) {
    const { clock, budgetShare, onWait, concurrency } = settings;
    this.#settings = settings;
    this.#transport = new Transport(settings);
    this.#budget = new RateBudget(clock, { share: budgetShare, onWait });
    this.#slots = new Slots(concurrency, clock);
  }

  get usage(): Usage[] {
    return this.#budget.usage();
  }

  get limits(): Limits {
    return this.#description?.limits ?? DEFAULT_LIMITS;
  }

  /** How much work to put in one request now, in characters. */
  get size(): number {
    return Math.min(this.#pace.size(this.#slots.size, this.usage), this.limits.max_characters);
  }

  /**
   * Does `work` when it is a request's turn: in a slot, with the right to send one.
   *
   * @throws what `work` throws; `signal.reason` on abort
   */
  inTurn<T>(signal: AbortSignal, work: (ticket: Ticket) => Promise<T>): Promise<T> {
    const done = this.#slots.run(async () => {
      this.#checkOpen();
      return work(await this.#budget.acquire(signal));
    });
    return this.#until(done);
  }

  /**
   * Sends one request, in as many attempts as it takes.
   *
   * @param ticket for the first attempt
   * @param stubborn whether all attempts are made, though one of several texts may be to blame
   * @returns what the service said of each text
   * @throws {NerError} the last attempt's error; `signal.reason` on abort
   */
  async request(texts: Text[], ticket: Ticket, signal: AbortSignal, stubborn = false): Promise<Found[]> {
    const { policy, clock, onWait } = this.#settings;
    const body = requestBody(texts.map(({ json }) => json));
    let unused: Ticket | undefined = ticket;
    const { results, model } = await retry(
      async (attempt, timeoutMs, untimed) => {
        const mine = unused ?? (await untimed(this.#budget.acquire(signal)));
        unused = undefined;
        const context: RequestTrace = { url: this.#transport.shown, attempt, texts: texts.length };
        let answer: Answer | undefined;
        // What this resolves to would be told to all subscribers: the entities are no one else's.
        await trace.tracePromise(async () => {
          answer = await this.#attempt(texts, body, mine, timeoutMs, signal, context);
        }, context);
        return answer as Answer;
      },
      stubborn || texts.length === 1 ? policy : { ...policy, maxBlamed: MAX_BLAMED },
      clock,
      signal,
      onWait,
    );
    return results.map((result) => ({ result, model }));
  }

  /**
   * Asks the service what it is, once, without the attempts and the budget of `send`.
   *
   * @throws {NerError} when it does not say
   */
  async describe(signal: AbortSignal | undefined): Promise<Description> {
    this.#checkOpen();
    const asking = this.#transport.get('/model', this.#settings.policy.attemptTimeoutMs, signal);
    const reply = await this.#until(asking);
    this.#description = readDescription(reply, this.#settings.apiKey);
    return this.#description;
  }

  /** Asks for the limits, once. A service that does not tell has the usual ones. */
  async learnLimits(signal: AbortSignal): Promise<void> {
    if (this.#asked) return;
    try {
      await this.describe(signal);
    } catch (error) {
      if (signal.aborted || error instanceof AuthenticationError || error instanceof ConfigError) throw error;
    }
    this.#asked = true;
  }

  /** Takes no more requests, waits for those under way, then closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    await this.#transport.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new ConfigError('this client is closed; make a new one');
  }

  async #until<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  async #attempt(
    texts: Text[],
    body: string,
    ticket: Ticket,
    timeoutMs: number,
    signal: AbortSignal,
    context: RequestTrace,
  ): Promise<Answer> {
    const { clock, apiKey, onResponse } = this.#settings;
    const sent = clock.now();
    let reply: Reply;
    try {
      reply = await this.#transport.post(body, timeoutMs, signal);
    } catch (error) {
      ticket.unanswered();
      throw error;
    }
    ticket.answered(reply);
    const { status, requestId } = reply;
    Object.assign(context, { status, requestId });
    const cold = reply.header('x-ner-cold-start');
    const coldStart = cold === undefined ? undefined : cold === '1';
    const times = timings(reply);
    onResponse({ status, requestId, coldStart, timings: times, attempt: context.attempt, texts: texts.length });
    try {
      const answer = readAnswer(reply, texts.length, apiKey);
      const done = texts.filter((_, i) => 'entities' in (answer.results[i] ?? {}));
      const size = done.reduce((sum, text) => sum + text.size, 0);
      this.#pace.learn(size, times['ner'] ?? clock.now() - sent);
      return answer;
    } catch (error) {
      if (error instanceof RequestError && error.code === 'throttled') this.#slots.throttled();
      throw error;
    }
  }
}
