import TinyQueue from 'tinyqueue';
import { InputError } from '../input-error.js';
import type { Run } from '../run/run-file.js';
import { type Prices, runCost, type Size } from './cost.js';
import { answersOf, type Told } from './pools.js';

/** How long so many documents take through the client, and what Lambda bills. */
export interface DocumentsPlan {
  documents: number;
  /** Of each. */
  characters: number;
  /** Requests a calendar minute; requests under way at once. */
  limit: number;
  concurrency: number;
  /** Requests that the client makes of them. */
  requests: number;
  /** From a start at the first second of a calendar minute, and from one in its middle. */
  seconds: readonly [early: number, late: number];
  usd: number;
  /** What a request takes besides its characters, and each character, ms; from the run. */
  perRequestMs: number;
  perCharacterMs: number;
}

export interface DocumentsOptions extends Size {
  documents: number;
  characters: number;
  limit: number;
  /** @default the client's own */
  concurrency?: number;
  prices: Prices;
}

/** What is used of packages/client. */
type Client = {
  NerClient: new (options: object) => { extractAll(texts: Iterable<string>): AsyncIterable<{ ok: boolean }> };
};

/**
 * Runs the client itself, in virtual time, against Kong's calendar minutes and a function that takes as long as the run's.
 *
 * @throws {InputError} when the client is not installed, or the run does not tell the function's own time
 */
export async function planDocuments(runs: readonly Run[], options: DocumentsOptions): Promise<DocumentsPlan> {
  const { documents, characters, limit, concurrency = 5, prices, memoryMb } = options;
  const { warm, cold } = answersOf(runs);
  const told = warm.filter((one) => one.nerMs !== null && one.characters !== null && one.characters > 0);
  if (told.length === 0) {
    throw new InputError(
      '--documents needs warm answers whose server-timing header tells how long recognition took; measure with --requests FILE, of documents like yours.',
    );
  }
  const sum = (of: (one: Told) => number) => told.reduce((total, one) => total + of(one), 0);
  const perCharacterMs = sum((one) => one.nerMs ?? 0) / sum((one) => one.characters ?? 0);
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const perRequestMs = Math.max(0, median(told.map((one) => one.ms - (one.nerMs ?? 0))));
  const billedMore = Math.max(0, median(told.map((one) => one.billedMs - (one.nerMs ?? 0))));
  const coldMs = Math.max(0, median(cold.map((one) => one.ms)) - median(warm.map((one) => one.ms)));
  const { NerClient } = await loadClient();
  const texts = Array.from({ length: documents }, () => 'word '.repeat(Math.ceil(characters / 5)).slice(0, characters));
  const at = async (startMs: number) => {
    const clock = new VirtualClock();
    const kong = new Kong(clock, startMs, limit, { perCharacterMs, perRequestMs, coldMs });
    const ner = new NerClient({
      ...{ url: 'http://127.0.0.1/nlp/ner', apiKey: 'plan', concurrency, clock, dispatcher: kong },
    });
    for await (const { ok } of ner.extractAll(texts)) if (!ok) throw new Error('a planned document failed');
    return { seconds: clock.now() / 1000, kong };
  };
  const [early, late] = [await at(0), await at(30_000)];
  const { requests, nerMs, colds } = early.kong;
  const billed = requests > 0 ? (nerMs + requests * billedMore + colds * coldMs) / requests : 0;
  return {
    ...{ documents, characters, limit, concurrency, requests, seconds: [early.seconds, late.seconds] },
    ...{ usd: runCost(requests, billed, memoryMb, options.arch, prices), perRequestMs, perCharacterMs },
  };
}

async function loadClient(name = '@burst-ner/client'): Promise<Client> {
  try {
    return (await import(name)) as Client;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new InputError(`--documents needs ${name}, which is not installed here; add it beside this package.`);
  }
}

/** Time that passes only when nothing else is left to do: then the earliest sleep ends. */
class VirtualClock {
  readonly #sleeps = new TinyQueue<{ at: number; end: () => void }>([], (a, b) => a.at - b.at);
  #now = 0;
  #ticking = false;

  now = () => this.#now;
  random = () => 0.5;

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#sleeps.push({ at: this.#now + Math.max(0, ms), end: resolve });
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#ticking || this.#sleeps.length === 0) return;
    this.#ticking = true;
    // By then everything that promises had to do is done.
    setImmediate(() => {
      this.#ticking = false;
      const next = this.#sleeps.pop();
      if (next) {
        this.#now = Math.max(this.#now, next.at);
        next.end();
      }
      this.#tick();
    });
  }
}

/** What is used of undici's handlers. */
interface Handler {
  onConnect?(abort: (error?: Error) => void): void;
  onHeaders?(status: number, headers: Buffer[], resume: () => void, message: string): void;
  onData?(chunk: Buffer): void;
  onComplete?(trailers: Buffer[]): void;
  onError?(error: Error): void;
}

interface Times {
  perCharacterMs: number;
  perRequestMs: number;
  /** What a cold start adds. */
  coldMs: number;
}

/** A dispatcher that answers as Kong and the function behind it, in virtual time: no text has an entity. */
class Kong {
  requests = 0;
  colds = 0;
  nerMs = 0;
  readonly #clock: VirtualClock;
  readonly #startMs: number;
  readonly #limit: number;
  readonly #times: Times;
  #window = -1;
  #used = 0;
  /** Environments that are initialised and free. */
  #free = 0;

  constructor(clock: VirtualClock, startMs: number, limit: number, times: Times) {
    this.#clock = clock;
    this.#startMs = startMs;
    this.#limit = limit;
    this.#times = times;
  }

  dispatch({ method, body }: { method: string; body?: unknown }, handler: Handler): boolean {
    let aborted = false;
    handler.onConnect?.((error) => {
      aborted = true;
      handler.onError?.(error ?? new Error('aborted'));
    });
    // There is no route for /model.
    const answer =
      method === 'GET' ? Promise.resolve({ status: 404, headers: {}, body: {} }) : this.#answer(String(body));
    answer.then(({ status, headers, body }) => {
      if (aborted) return;
      const all = Object.entries({ ...headers, 'content-type': 'application/json' });
      const raw = all.flat().map((text) => Buffer.from(String(text)));
      handler.onHeaders?.(status, raw, () => {}, '');
      handler.onData?.(Buffer.from(JSON.stringify(body)));
      handler.onComplete?.([]);
    });
    return true;
  }

  async close(): Promise<void> {}
  async destroy(): Promise<void> {}

  async #answer(body: string) {
    const { texts = [] } = JSON.parse(body) as { texts?: string[] };
    const nowMs = this.#startMs + this.#clock.now();
    const window = Math.floor(nowMs / 60_000);
    if (window !== this.#window) [this.#window, this.#used] = [window, 0];
    const reset = 60 - (Math.floor(nowMs / 1000) % 60);
    const told = (remaining: number) => ({
      ...{ 'ratelimit-limit': this.#limit, 'ratelimit-remaining': remaining, 'ratelimit-reset': reset },
      ...{ 'x-ratelimit-limit-minute': this.#limit, 'x-ratelimit-remaining-minute': remaining },
    });
    if (this.#used >= this.#limit) {
      const headers = { ...told(0), 'retry-after': reset, 'x-kong-response-latency': 0 };
      return { status: 429, headers, body: { message: 'API rate limit exceeded' } };
    }
    const remaining = this.#limit - ++this.#used;
    this.requests++;
    const characters = texts.reduce((total, text) => total + text.length, 0);
    const { perCharacterMs, perRequestMs, coldMs } = this.#times;
    const nerMs = perCharacterMs * characters;
    this.nerMs += nerMs;
    const cold = this.#free === 0;
    if (cold) this.colds++;
    else this.#free--;
    await this.#clock.sleep(perRequestMs + nerMs + (cold ? coldMs : 0));
    this.#free++;
    const headers = {
      ...told(remaining),
      ...{ via: '1.1 kong/3.9.3', 'x-request-id': this.requests, 'x-ner-cold-start': Number(cold) },
      ...{ 'x-kong-upstream-latency': Math.round(nerMs), 'server-timing': `ner;dur=${nerMs}` },
    };
    const model = { name: 'plan', version: '0', digest: 'sha256:00' };
    return { status: 200, headers, body: { results: texts.map(() => ({ entities: [] })), model } };
  }
}
