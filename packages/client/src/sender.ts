import { tracingChannel } from 'node:diagnostics_channel';
import type { Ticket } from './budget.js';
import { NerError } from './errors.js';
import type { Settings } from './options.js';
import type { Request } from './request.js';
import { Transport } from './transport.js';
import {
  type Answer,
  DEFAULT_LIMITS,
  type Description,
  LEAST_BODY_BYTES,
  type Limits,
  readAnswer,
  readDescription,
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
export type Served = Answer & { ms: number };

// A probe's, which has no entities and costs the service nothing.
const EMPTY_TEXT = '""';

const trace = tracingChannel<'burst-ner:request', RequestTrace>('burst-ner:request');

/** Makes one attempt at a time of what it is given: sends, and reads the answer. */
export class Sender {
  /** What a request may hold, as far as is known. */
  limits: Limits = DEFAULT_LIMITS;
  readonly #transport: Transport;

  constructor(private readonly settings: Settings) {
    this.#transport = new Transport(settings);
  }

  /** One attempt. A 401 is tried again at once when `apiKey` gives another key by now. The ticket is used up in any case. */
  async send(request: Request, ticket: Ticket): Promise<Served> {
    const { apiKey } = this.settings;
    let key: string;
    try {
      key = await apiKey();
      request.stop.signal.throwIfAborted();
    } catch (error) {
      ticket.release();
      throw error;
    }
    const texts = request.texts.length === 0 ? [EMPTY_TEXT] : request.texts.map(({ json }) => json);
    for (;;) {
      try {
        return await this.#attempt(request, texts, key, ticket);
      } catch (error) {
        if (!(error instanceof NerError && error.status === 401)) throw error;
        const before = key;
        key = await apiKey();
        if (key === before) throw error;
      }
    }
  }

  async describe(signal: AbortSignal | undefined): Promise<Description> {
    const apiKey = await this.settings.apiKey();
    const exchange = { apiKey, headers: {}, timeoutMs: this.settings.attemptTimeoutMs, signal };
    const description = readDescription(await this.#transport.get('/model', exchange), apiKey);
    this.limits = description.limits;
    return description;
  }

  /** Something on the way takes no body of this size: those to come are half as large at most. */
  refusedBody({ texts }: Request): void {
    const bytes = texts.reduce((sum, text) => sum + text.bytes, 0);
    const half = Math.max(LEAST_BODY_BYTES, Math.floor(bytes / 2));
    if (texts.length > 1 && half < this.limits.max_body_bytes) this.limits = { ...this.limits, max_body_bytes: half };
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #attempt(request: Request, json: string[], apiKey: string, ticket: Ticket): Promise<Served> {
    const { attemptTimeoutMs: timeoutMs, onEvent, clock } = this.settings;
    const { attempts: attempt, queue, stop } = request;
    const texts = json.length;
    const context: RequestTrace = { url: this.#transport.shown, attempt, texts };
    const began = clock.now();
    const served: Partial<Served> = {};
    // What this resolves to would be told to all subscribers: the entities are no one else's.
    await trace.tracePromise(async () => {
      const onId = (requestId: string) => Object.assign(context, { requestId });
      const exchange = { apiKey, headers: queue.headers, timeoutMs, signal: stop.signal, onId };
      const reply = await this.#transport.post(`{"texts":[${json.join(',')}]}`, exchange).catch((error) => {
        ticket.unanswered();
        throw error;
      });
      ticket.answered(reply);
      const { status, requestId } = reply;
      Object.assign(context, { status, requestId });
      const cold = reply.header('x-ner-cold-start');
      const coldStart = cold === undefined ? undefined : cold === '1';
      const times = timings(reply);
      onEvent({ type: 'answer', status, requestId, coldStart, timings: times, attempt, texts });
      Object.assign(served, readAnswer(reply, texts, apiKey), { ms: times['ner'] ?? clock.now() - began });
    }, context);
    return served as Served;
  }
}
