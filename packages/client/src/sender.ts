import { tracingChannel } from 'node:diagnostics_channel';
import { RateBudget, type Ticket, type Usage } from './budget.js';
import type { Found, Text } from './document.js';
import { AuthenticationError, ConfigError, concernsEveryDocument, RequestError } from './errors.js';
import type { Settings } from './options.js';
import { Pace } from './pace.js';
import { backOff, retry } from './retry.js';
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

/** What ends a request before its time. */
export interface Signals {
  stop: AbortSignal;
  wait: AbortSignal;
  /** Called for what every document would meet, before the slot is the next one's. */
  fatal: (error: unknown) => void;
}

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
  #asking: Promise<void> | undefined;
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
    return Math.min(
      this.#pace.size(this.#slots.size, this.usage, this.#settings.budgetShare),
      this.limits.max_characters,
    );
  }

  /**
   * Sends one request when it is its turn: in a slot, within the rate budget, in as many attempts as it takes. What
   * Lambda throttles leaves its slot for another try, until the deadline has passed since the first.
   *
   * @param take the texts; called once, when the turn comes first. With none nothing is sent
   * @param settle called with what the service said of each text, before the slot is the next one's
   * @param signals `stop` ends everything, `wait` all but what is on the wire
   * @throws {NerError} the last attempt's error; the reason of a signal
   */
  async send(take: () => Text[], settle: (found: Found[]) => void, signals: Signals): Promise<void> {
    const { clock, policy, onWait } = this.#settings;
    let texts: Text[] | undefined;
    let deadline = Number.POSITIVE_INFINITY;
    for (let throttles = 1; ; throttles++) {
      const throttled = await this.#slots.run(async () => {
        const ticket = await this.#budget.acquire(signals.wait);
        texts ??= take();
        if (texts.length === 0) return void ticket.release();
        const began = clock.now();
        deadline = Math.min(deadline, began + policy.deadlineMs);
        try {
          settle(await this.#request(texts, ticket, signals));
          return false;
        } catch (error) {
          if (concernsEveryDocument(error)) signals.fatal(error);
          const ms = backOff(throttles, error, clock.random());
          if (!isThrottle(error) || clock.now() + ms >= deadline) throw error;
          this.#slots.throttled(began);
          onWait({ ms, reason: 'the function is busy' });
          await clock.sleep(ms, signals.wait);
          return true;
        }
      });
      if (!throttled) return;
    }
  }

  /**
   * Does what `close` waits for.
   *
   * @throws {ConfigError} when this client is closed
   */
  async whole<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ConfigError('this client is closed; make a new one');
    const done = work();
    this.#underWay.add(done);
    try {
      return await done;
    } finally {
      this.#underWay.delete(done);
    }
  }

  /**
   * Asks the service what it is: one attempt, outside of the slots and the rate budget.
   *
   * @throws {NerError} when it does not say
   */
  describe(signal: AbortSignal | undefined): Promise<Description> {
    return this.whole(async () => {
      const reply = await this.#transport.get('/model', this.#settings.policy.attemptTimeoutMs, signal);
      this.#description = readDescription(reply, this.#settings.apiKey);
      return this.#description;
    });
  }

  /** Asks for the limits, once. A service that does not tell has the usual ones. */
  async learnLimits(signal: AbortSignal): Promise<void> {
    while (!this.#asked) {
      signal.throwIfAborted();
      this.#asking ??= this.#askOnce(signal);
      await this.#asking;
    }
  }

  /** Takes no more requests, waits for those under way, then closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    await this.#transport.close();
  }

  async #askOnce(signal: AbortSignal): Promise<void> {
    try {
      await this.describe(signal);
      this.#asked = true;
    } catch (error) {
      if (error instanceof AuthenticationError || error instanceof ConfigError) throw error;
      // After an abort the next run asks.
      this.#asked = !signal.aborted;
    } finally {
      this.#asking = undefined;
    }
  }

  async #request(texts: Text[], ticket: Ticket, { stop, wait }: Signals): Promise<Found[]> {
    const { policy, clock, onWait } = this.#settings;
    const body = requestBody(texts.map(({ json }) => json));
    let unused: Ticket | undefined = ticket;
    const { results, model } = await retry(
      async (attempt, timeoutMs, untimed) => {
        const mine = unused ?? (await untimed(this.#budget.acquire(wait)));
        unused = undefined;
        const context: RequestTrace = { url: this.#transport.shown, attempt, texts: texts.length };
        let answer: Answer | undefined;
        // What this resolves to would be told to all subscribers: the entities are no one else's.
        await trace.tracePromise(async () => {
          answer = await this.#attempt(texts, body, mine, timeoutMs, stop, context);
        }, context);
        return answer as Answer;
      },
      texts.length === 1 ? policy : { ...policy, maxBlamed: MAX_BLAMED },
      clock,
      wait,
      onWait,
    );
    return results.map((result) => ({ result, model }));
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
    if (signal.aborted) ticket.release();
    signal.throwIfAborted();
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
    const answer = readAnswer(reply, texts.length, apiKey);
    const done = texts.filter((_, i) => 'entities' in (answer.results[i] ?? {}));
    const size = done.reduce((sum, text) => sum + text.size, 0);
    this.#pace.learn(size, times['ner'] ?? clock.now() - sent);
    return answer;
  }
}

function isThrottle(error: unknown): boolean {
  return error instanceof RequestError && error.code === 'throttled';
}
