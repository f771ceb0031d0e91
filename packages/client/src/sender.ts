import { tracingChannel } from 'node:diagnostics_channel';
import type { Batch } from './batch.js';
import type { Ticket } from './budget.js';
import { NerError } from './errors.js';
import type { Settings } from './options.js';
import type { Found } from './text.js';
import { type Reply, Transport } from './transport.js';
import {
  type Answer,
  DEFAULT_LIMITS,
  type Description,
  LEAST_BODY_BYTES,
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
  /** `x-request-id`: as sent, and once there is an answer as that has it. */
  requestId?: string;
}

/** What the service said of each text, and how long it worked on them, in ms. */
export interface Served {
  found: Found[];
  ms: number;
}

// A probe's, which has no entities and costs the service nothing.
const EMPTY_TEXT = '""';

const trace = tracingChannel<'burst-ner:request', RequestTrace>('burst-ner:request');

/** Makes one attempt at a time of what it is given: sends, and reads the answer. */
export class Sender {
  readonly #settings: Settings;
  readonly #transport: Transport;
  /** What a request may hold, as far as is known. */
  limits: Limits = DEFAULT_LIMITS;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#transport = new Transport(settings);
  }

  /**
   * One attempt. A 401 is tried again at once when `apiKey` gives another key by now.
   *
   * @param ticket is used up, whatever happens
   * @throws {NerError} that of the answer, or that there was none; `batch.stop`'s reason on abort
   */
  async send(batch: Batch, ticket: Ticket): Promise<Served> {
    const { apiKey } = this.#settings;
    const { signal } = batch.stop;
    let key: string;
    try {
      key = await apiKey();
      signal.throwIfAborted();
    } catch (error) {
      ticket.release();
      throw error;
    }
    const body = requestBody(batch.texts.length === 0 ? [EMPTY_TEXT] : batch.texts.map(({ json }) => json));
    for (;;) {
      try {
        return await this.#attempt(batch, body, key, ticket);
      } catch (error) {
        if (!(error instanceof NerError && error.status === 401)) throw error;
        const before = key;
        key = await apiKey();
        if (key === before) throw error;
      }
    }
  }

  /**
   * Asks the service what it is: one attempt.
   *
   * @throws {NerError} when it does not say
   */
  async describe(signal: AbortSignal | undefined): Promise<Description> {
    const { attemptTimeoutMs: timeoutMs } = this.#settings;
    const apiKey = await this.#settings.apiKey();
    const reply = await this.#transport.get('/model', { apiKey, headers: {}, timeoutMs, signal });
    const description = readDescription(reply, apiKey);
    this.limits = description.limits;
    return description;
  }

  /** Something on the way takes no body of this size: those to come are half as large at most. */
  refusedBody({ texts }: Batch): void {
    const bytes = texts.reduce((sum, text) => sum + text.bytes, 0);
    const half = Math.max(LEAST_BODY_BYTES, Math.floor(bytes / 2));
    if (texts.length > 1 && half < this.limits.max_body_bytes) this.limits = { ...this.limits, max_body_bytes: half };
  }

  /** Closes the sockets. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  async #attempt(batch: Batch, body: string, apiKey: string, ticket: Ticket): Promise<Served> {
    const { attemptTimeoutMs: timeoutMs, onEvent, clock } = this.#settings;
    const { queue, stop } = batch;
    const texts = Math.max(1, batch.texts.length);
    const context: RequestTrace = { url: this.#transport.shown, attempt: batch.attempts, texts };
    const began = clock.now();
    let answer: Answer | undefined;
    let times: Record<string, number> = {};
    // What this resolves to would be told to all subscribers: the entities are no one else's.
    await trace.tracePromise(async () => {
      let reply: Reply;
      const exchange = { apiKey, headers: queue.headers, timeoutMs, signal: stop.signal };
      try {
        reply = await this.#transport.post(body, exchange, (requestId) => Object.assign(context, { requestId }));
      } catch (error) {
        ticket.unanswered();
        throw error;
      }
      ticket.answered(reply);
      const { status, requestId } = reply;
      Object.assign(context, { status, requestId });
      const cold = reply.header('x-ner-cold-start');
      const coldStart = cold === undefined ? undefined : cold === '1';
      times = timings(reply);
      onEvent({ type: 'answer', status, requestId, coldStart, timings: times, attempt: batch.attempts, texts });
      answer = readAnswer(reply, texts, apiKey);
    }, context);
    const { results, model } = answer as unknown as Answer;
    return { found: results.map((result) => ({ result, model })), ms: times['ner'] ?? clock.now() - began };
  }
}
