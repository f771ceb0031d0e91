import type { Entry } from '../files/entries.js';
import { codePointLength } from '../offsets.js';
import { DEFAULT_LIMITS } from '../wire.js';
import { type ExtractFlags, formatOf } from './extract.js';
import { compare } from './resume.js';

// As kong.yaml has it.
const REQUESTS_A_MINUTE = 100;

/**
 * Says what is left to do, and sends nothing: so the gateway's limit and the service's are taken to be those that this
 * project ships, and how fast the service is nobody knows.
 */
export async function dryRun(entries: AsyncGenerator<Entry, void, undefined>, flags: ExtractFlags): Promise<number> {
  const { out, json, keepFailed = false } = flags;
  const format = formatOf(flags);
  let done = 0;
  let documents = 0;
  let unreadable = 0;
  let characters = 0;
  const all = out === undefined ? alone(entries) : compare(out, format, entries, keepFailed);
  for await (const { entry, done: before } of all) {
    if (before && !before.again) done++;
    else {
      documents++;
      if ('error' in entry) unreadable++;
      else characters += codePointLength(entry.text);
    }
  }
  const { max_texts, max_characters } = DEFAULT_LIMITS;
  const requests = Math.ceil(Math.max((documents - unreadable) / max_texts, characters / max_characters));
  const minutes = Math.ceil(requests / REQUESTS_A_MINUTE);
  const n = (value: number) => value.toLocaleString('en');
  const sentence =
    `${n(documents)} documents to do (${n(unreadable)} cannot be read; ${n(done)} more are done), ` +
    `${n(characters)} characters: at least ${n(requests)} requests, and ${n(minutes)} min at ` +
    `${REQUESTS_A_MINUTE} requests a minute`;
  const words = documents === 0 && done > 0 ? `nothing to do: ${n(done)} documents are done` : sentence;
  const facts = { documents, unreadable, done, characters, requests, minutes };
  process.stdout.write(`${json ? JSON.stringify(facts) : words}\n`);
  return 0;
}

async function* alone(entries: AsyncGenerator<Entry, void, undefined>): ReturnType<typeof compare> {
  for await (const entry of entries) yield { entry, done: undefined };
}
