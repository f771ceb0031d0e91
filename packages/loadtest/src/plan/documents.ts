import { InputError } from '../input-error.js';
import type { Run } from '../run/run-file.js';
import { median } from '../statistics/percentile.js';
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
  concurrency?: number | undefined;
  prices: Prices;
}

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
  const perRequestMs = Math.max(0, median(told.map((one) => one.ms - (one.nerMs ?? 0))));
  const billedMore = Math.max(0, median(told.map((one) => one.billedMs - (one.nerMs ?? 0))));
  const coldMs = Math.max(0, median(cold.map((one) => one.ms)) - median(warm.map((one) => one.ms)));
  const { NerClient, testing } = await client();
  // One text, however many documents: they may be millions.
  const text = 'word '.repeat(Math.ceil(characters / 5)).slice(0, characters);
  const texts = new Array<string>(documents).fill(text);

  const from = async (startMs: number) => {
    const clock = new testing.VirtualClock();
    await clock.sleep(startMs);
    // `free`: environments that are initialised and idle. The others count all requests.
    const all = { free: 0, requests: 0, billedMs: 0 };
    const answer = async (request: { texts: string[] }) => {
      const nerMs = perCharacterMs * request.texts.reduce((total, text) => total + text.length, 0);
      const isCold = all.free === 0;
      if (!isCold) all.free--;
      all.requests++;
      all.billedMs += nerMs + billedMore + (isCold ? coldMs : 0);
      await clock.sleep(perRequestMs + nerMs + (isCold ? coldMs : 0));
      all.free++;
      const headers = {
        ...{ via: '1.1 kong/3.9.3', 'x-request-id': String(all.requests), 'x-ner-cold-start': isCold ? '1' : '0' },
        ...{ 'x-kong-upstream-latency': String(Math.round(nerMs)), 'server-timing': `ner;dur=${nerMs}` },
      };
      const model = { name: 'plan', version: '0', digest: 'sha256:00' };
      return { status: 200, headers, body: { results: request.texts.map(() => ({ entities: [] })), model } };
    };
    const { dispatcher } = new testing.FakeGateway({ limit, clock, answer });
    const ner = new NerClient({ url: 'http://127.0.0.1/nlp/ner', apiKey: 'plan', concurrency, clock, dispatcher });
    for await (const { ok } of ner.extractAll(texts)) {
      if (ok) continue;
      throw new InputError(
        `A document of ${characters} characters takes longer than the client waits: ${perCharacterMs.toPrecision(2)} ms a character, as the run told; measure with --requests FILE, of documents like yours.`,
      );
    }
    return { ...all, seconds: (clock.now() - startMs) / 1000 };
  };
  const [early, late] = [await from(0), await from(30_000)];
  const { requests, billedMs } = early;
  const usd = runCost(requests, billedMs / Math.max(1, requests), memoryMb, options.arch, prices);
  return {
    ...{ documents, characters, limit, concurrency, requests, seconds: [early.seconds, late.seconds], usd },
    ...{ perRequestMs, perCharacterMs },
  };
}

async function client() {
  try {
    const { NerClient } = await import('@burst-ner/client');
    return { NerClient, testing: await import('@burst-ner/client/testing') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new InputError(
      '--documents needs @burst-ner/client, which is not installed here; add it beside this package.',
    );
  }
}
