import { Document, type DocumentOptions } from '../document.js';
import type { Entry } from '../files/entries.js';
import { codePointLength } from '../offsets.js';
import { checked } from '../options.js';
import { FIRST_SIZE } from '../pace.js';
import { Queue } from '../queue.js';
import { Run } from '../run.js';
import { Scheduler } from '../scheduler.js';
import { PERIODS } from '../server-clock.js';
import { DEFAULT_LIMITS, type Limits } from '../wire.js';
import { connectionOf, type ExtractFlags, formatOf } from './flags.js';
import { count } from './progress.js';
import { compare } from './resume.js';

// How many first requests are sent: the last tells how fast the service is, for the first ones may be slower than most.
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
  const told = { ...counts, requests, minutes, asked };
  process.stdout.write(`${flags.json ? JSON.stringify(told) : sentence(told)}\n`);
  return 0;
}

type Told = Record<'documents' | 'unreadable' | 'done' | 'characters' | 'requests' | 'minutes' | 'asked', number>;

function sentence({ documents, unreadable, done, characters, requests, minutes, asked }: Told): string {
  if (documents === 0 && done > 0) return `nothing to do: ${count(done, 'document')} done before`;
  const n = (value: number) => value.toLocaleString('en');
  const [about, by] =
    asked > 0
      ? ['about', `, by ${count(asked, 'request')}`]
      : ['at least', ' at 100 requests a minute; with a url and a key it tells more'];
  return (
    `${count(documents, 'document')} to do (${n(unreadable)} cannot be read; ${n(done)} more done before), ` +
    `${count(characters, 'character')}: ${about} ${count(requests, 'request')}, and ${n(minutes)} min${by}`
  );
}

async function* toDo(entries: AsyncGenerator<Entry, void, undefined>, flags: ExtractFlags, counts: { done: number }) {
  const { out, keepFailed = false } = flags;
  if (out === undefined) return yield* entries;
  for await (const { entry, done, again } of compare(out, formatOf(flags), entries, keepFailed)) {
    if (done && !again) counts.done++;
    else yield entry;
  }
}

/** Without a key the usual limits, and requests as full as they may be. */
async function learn(samples: string[][], flags: ExtractFlags): Promise<Terms> {
  const { concurrency, budgetShare } = flags;
  const { max_characters: size } = DEFAULT_LIMITS;
  let terms: Terms = { limits: DEFAULT_LIMITS, size, intervalMs: INTERVAL_MS, msPerCharacter: 0, asked: 0 };
  for (const texts of flags.url && process.env['NER_API_KEY'] ? samples : []) {
    // Of a client that has learnt nothing the first request takes them all.
    const scheduler = new Scheduler(checked(connectionOf(flags)));
    if (terms.asked === 0) {
      // Throws at once where nothing answers, or not to this key. A service that does not tell has the usual limits.
      await scheduler.describe(undefined).catch((error) => {
        if (!(error.status < 500) || error.status === 401) throw error;
      });
    }
    const options = { ...TEXTS, order: 'input' as const, headers: {}, signal: undefined };
    for await (const _ of new Run<unknown>(texts, options, scheduler).outcomes()) {
    }
    const { limits, pace, usage } = scheduler;
    const intervalMs = Math.max(0, ...usage.map(({ period, limit }) => PERIODS[period] / (limit * budgetShare)));
    const most = pace.size(concurrency, intervalMs > 0 ? { window: intervalMs, left: 0 } : undefined);
    const msPerCharacter = (pace.msPerCharacter ?? 0) / concurrency;
    const size = Math.min(most, limits.max_characters);
    terms = { limits, size, intervalMs, msPerCharacter, asked: terms.asked + 1 };
    await scheduler.close();
  }
  return terms;
}
