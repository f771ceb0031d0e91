import { hash } from 'node:crypto';
import * as z from 'zod/mini';
import type { Outcome } from '../document.js';
import type { DocumentId, Entry } from '../files/entries.js';
import type { Model } from '../wire.js';

const offset = z.int().check(z.nonnegative());
const Entity = z.object({ text: z.string(), label: z.string(), start: offset, end: offset });

/** What is written of one document: its entities, or why it has none. */
export const OutputRecord = z.object({
  source: z.string(),
  line: z.optional(z.int()),
  id: z.optional(
    z.union([z.string(), z.number(), z.boolean(), z.array(z.unknown()), z.record(z.string(), z.unknown())]),
  ),
  entities: z.optional(z.array(Entity)),
  /** As `modelName` has it; absent when nothing was asked of a model. */
  model: z.optional(z.string()),
  error: z.optional(z.object({ code: z.string(), message: z.string() })),
  /** Of the text; absent when there was none to read. */
  hash: z.optional(z.string()),
});
export type OutputRecord = z.infer<typeof OutputRecord>;

/** How records are written, and read again. */
export interface OutputFormat {
  name: 'jsonl' | 'csv';
  /** What stands before the first record. */
  header: string;
  toText(record: OutputRecord): string;
  /** The whole records of a file with the byte at which each ends. @throws {OutputError} for what `toText` did not write */
  read(path: string): AsyncGenerator<{ record: OutputRecord; end: number }, void, undefined>;
}

const UNREADABLE = 'unreadable';

/** `name/version/digest`, the digest cut to 12 digits as in the header `x-ner-model`. */
export function modelName({ name, version, digest }: Model): string {
  return `${name}/${version}/${digest.slice(0, 12)}`;
}

export function toRecord(outcome: Outcome<Entry>): OutputRecord {
  const { document } = outcome;
  const { source, line } = document;
  const origin = { source, ...(line !== undefined && { line }) };
  if ('error' in document) return { ...origin, error: { code: UNREADABLE, message: document.error.message } };
  const known = { ...origin, ...(document.id !== undefined && { id: document.id }) };
  const ending = { hash: hashOf(document.text) };
  if (!outcome.ok) return { ...known, error: { code: outcome.error.code, message: outcome.error.message }, ...ending };
  return { ...known, entities: outcome.entities, ...(outcome.model && { model: modelName(outcome.model) }), ...ending };
}

/** What of a record was not written of what stands in the input now; undefined when all was. */
export function difference(record: OutputRecord, entry: Entry): string | undefined {
  if (!same(record.source, entry.source)) return 'file';
  if (!same(record.line, entry.line)) return 'line';
  // A record that could not be read may have been mended.
  if (record.error?.code === UNREADABLE) return undefined;
  if ('error' in entry) return record.error ? undefined : 'text';
  if (!same(record.id, entry.id)) return 'id';
  return record.hash === hashOf(entry.text) ? undefined : 'text';
}

/** As a cell has it. */
export function toWord(value: DocumentId | undefined): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? '');
}

/** As CSV can tell, which knows no numbers, nothing from an empty word, and no half of a surrogate pair. */
function same(a: DocumentId | undefined, b: DocumentId | undefined): boolean {
  return a === b || toWord(a).toWellFormed() === toWord(b).toWellFormed();
}

function hashOf(text: string): string {
  return hash('sha256', text).slice(0, 16);
}
