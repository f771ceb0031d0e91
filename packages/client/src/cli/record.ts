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
  id: z.optional(z.union([z.string(), z.number(), z.record(z.string(), z.unknown())])),
  entities: z.optional(z.array(Entity)),
  /** As `modelName` has it; absent when nothing was asked of a model. */
  model: z.optional(z.string()),
  error: z.optional(z.object({ code: z.string(), message: z.string() })),
});
export type OutputRecord = z.infer<typeof OutputRecord>;

/** The output cannot be written, or is not what this run would have written. One sentence. */
export class OutputError extends Error {
  override name = 'OutputError';
}

/** `name/version/digest`, the digest cut to 12 digits as in the header `x-ner-model`. */
export function modelName({ name, version, digest }: Model): string {
  return `${name}/${version}/${digest.slice(0, 12)}`;
}

export function toRecord(outcome: Outcome<Entry>): OutputRecord {
  const { source, line, id } = outcome.document as Entry & { id?: DocumentId };
  const origin = { source, ...(line !== undefined && { line }), ...(id !== undefined && { id }) };
  const unreadable = 'error' in outcome.document ? outcome.document.error : undefined;
  if (unreadable) return { ...origin, error: { code: UNREADABLE, message: unreadable.message } };
  if (!outcome.ok) return { ...origin, error: { code: outcome.error.code, message: outcome.error.message } };
  return { ...origin, entities: outcome.entities, ...(outcome.model && { model: modelName(outcome.model) }) };
}

/** Whether a record can have been written of what stands in the input now. */
export function isOf(record: OutputRecord, entry: Entry): boolean {
  if (!same(record.source, entry.source) || !same(record.line, entry.line)) return false;
  if ('error' in entry) return record.error?.code === UNREADABLE;
  if (!same(record.id, entry.id)) return false;
  if (record.error) return record.error.code !== UNREADABLE;
  return (record.entities ?? []).every(({ text, start, end }) => same(text, entry.text.slice(start, end)));
}

/** As CSV can tell, which knows no numbers, nothing from an empty word, and no half of a surrogate pair. */
function same(a: DocumentId | undefined, b: DocumentId | undefined): boolean {
  return a === b || toWord(a).toWellFormed() === toWord(b).toWellFormed();
}

/** As a cell has it. */
export function toWord(value: DocumentId | undefined): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? '');
}

const UNREADABLE = 'unreadable';
