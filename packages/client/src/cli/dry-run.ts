import type { Usage } from '../budget.js';
import { NerClient } from '../client.js';
import { Document, type DocumentOptions } from '../document.js';
import { RouteError } from '../errors.js';
import type { Entry } from '../files/entries.js';
import { codePointLength } from '../offsets.js';
import type { NerEvent } from '../options.js';
import { FIRST_SIZE, Pace } from '../pace.js';
import { Queue } from '../queue.js';
import { PERIODS } from '../server-clock.js';
import { COST_OF_A_TEXT } from '../text.js';
import { DEFAULT_LIMITS, type Limits } from '../wire.js';
import { connectionOf, type ExtractFlags, formatOf } from './extract.js';
import { count } from './progress.js';
import { compare } from './resume.js';

// How many first requests tell how fast the service is. The first of them alone may be slower than most.
const SAMPLES = 3;
// As kong.yaml has it.
const INTERVAL_MS = 60_000 / 100;

const TEXTS: DocumentOptions<unknown> = { text: (text) => text, labels: undefined };

interface Terms {
  limits: Limits;
  /** Work for one request, in characters. */
  size: number;
  /** Between two requests, and what the service takes for a character, with all slots. */
  intervalMs: number;
  msPerCharacter: number;
  /** Requests that this was learnt from. */
  asked: number;
}

/**
 * Says what is left to do. With a url and a key it asks the service what a request may hold, and sends the first documents,
 * whose answers tell the rate limit and how fast the service is. Then it fills requests as a run does.
 *
 * @throws {NerError} when the service is not there, or refuses the key
 */
export async function dryRun(entries: AsyncGenerator<Entry, void, undefined>, flags: ExtractFlags): Promise<number> {
  const counts = { documents: 0, unreadable: 0, done: 0, characters: 0 };
  const n = (value: number) => value.toLocaleString('en');
  let terms: Terms | undefined;
  let requests = 0;
  let size = 0;
  const queue = new Queue({}, { onChange() {}, onStop() {}, awaits: () => false, grows: () => false });
  const fill = ({ size, limits, asked }: Terms, least: number) => {
    for (; !queue.empty && queue.size >= least; requests++) {
      // The first one of a run is sent when nothing is known yet.
      queue.take(requests === 0 && asked > 0 ? FIRST_SIZE : size, limits);
    }
  };
  const samples: string[][] = [];
  let room = 0;
  for await (const entry of toDo(entries, flags, counts)) {
    counts.documents++;
    if ('error' in entry) {
      counts.unreadable++;
      continue;
    }
    counts.characters += codePointLength(entry.text);
    const document = new Document<unknown>(0, entry.text, TEXTS, () => {});
    size += document.size;
    room -= document.size;
    if (!terms && room < 0) {
      if (samples.length === SAMPLES) terms = await learn(samples, flags);
      else samples.push([]);
      room = FIRST_SIZE - document.size;
    }
    if (!terms) samples.at(-1)?.push(entry.text);
    queue.add(document);
    if (terms) fill(terms, terms.size);
  }
  terms ??= await learn(samples, flags);
  fill(terms, 0);
  const { asked, intervalMs, msPerCharacter } = terms;
  const minutes = Math.ceil(Math.max(requests * intervalMs, size * msPerCharacter) / 60_000);
  const { documents, unreadable, done, characters } = counts;
  const sentence =
    `${count(documents, 'document')} to do (${n(unreadable)} cannot be read; ${n(done)} more done before), ` +
    `${count(characters, 'character')}: ${asked > 0 ? 'about' : 'at least'} ${count(requests, 'request')}, and ` +
    `${n(minutes)} min${asked > 0 ? `, by ${count(asked, 'request')}` : ' at 100 requests a minute; with a url and a key it tells more'}`;
  const words = documents === 0 && done > 0 ? `nothing to do: ${count(done, 'document')} done before` : sentence;
  process.stdout.write(`${flags.json ? JSON.stringify({ ...counts, requests, minutes, asked }) : words}\n`);
  return 0;
}

async function* toDo(entries: AsyncGenerator<Entry, void, undefined>, flags: ExtractFlags, counts: { done: number }) {
  const { out, keepFailed = false } = flags;
  if (out === undefined) return yield* entries;
  for await (const { entry, done } of compare(out, formatOf(flags), entries, keepFailed)) {
    if (done && !done.again) counts.done++;
    else yield entry;
  }
}

/** Without a key the usual limits, and requests as full as they may be. */
async function learn(samples: string[][], flags: ExtractFlags): Promise<Terms> {
  const { concurrency, budgetShare } = flags;
  let limits = DEFAULT_LIMITS;
  let asked = 0;
  let ms = 0;
  let size = 0;
  let usage: Usage[] = [];
  const pace = new Pace();
  for (const texts of flags.url && process.env['NER_API_KEY'] ? samples : []) {
    // Of a client that has learnt nothing the first request takes them all.
    const onEvent = (event: NerEvent) => {
      if (event.type !== 'answer') return;
      asked++;
      ms += event.timings['ner'] ?? 0;
    };
    await using client = new NerClient({ ...connectionOf(flags), onEvent });
    if (asked === 0) limits = await limitsOf(client);
    if (asked === 1) ms = size = 0;
    for await (const { ok, document } of client.extractAll(texts)) if (ok) size += document.length + COST_OF_A_TEXT;
    usage = client.budget();
  }
  if (asked === 0) return { limits, size: limits.max_characters, intervalMs: INTERVAL_MS, msPerCharacter: 0, asked };
  pace.learn(size, ms);
  const intervalMs = Math.max(0, ...usage.map(({ period, limit }) => PERIODS[period] / (limit * budgetShare)));
  const most = pace.size(concurrency, intervalMs > 0 ? { window: intervalMs, left: intervalMs } : undefined);
  const msPerCharacter = size > 0 ? ms / size / concurrency : 0;
  return { limits, size: Math.min(most, limits.max_characters), intervalMs, msPerCharacter, asked };
}

async function limitsOf(client: NerClient): Promise<Limits> {
  try {
    return (await client.describe()).limits;
  } catch (error) {
    if (error instanceof RouteError) return DEFAULT_LIMITS;
    throw error;
  }
}
