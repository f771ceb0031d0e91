import * as z from 'zod';
import type { Account } from './account.js';
import { BatchError } from './errors.js';
import { BOOKS, type Place, placeName } from './place.js';

/** A range of a file, or a whole one: what the worker is told (packages/service/burst_ner/part.py). Places in bytes. */
export const Part = z.object({
  key: z.string(),
  /** Of the folder of its records. */
  name: z.string(),
  etag: z.string(),
  size: z.int(),
  format: z.enum(['jsonl', 'csv', 'tsv']),
  gzip: z.boolean(),
  start: z.int(),
  /** null: the file cannot be cut, and is one part. */
  end: z.int().nullable(),
});
export type Part = z.infer<typeof Part>;

/** A file with documents. */
export type File = Omit<Part, 'start' | 'end'>;

export interface Files {
  files: File[];
  /** Objects that are no documents by their names. */
  others: number;
}

const NAME = /\.(jsonl|ndjson|csv|tsv)(\.gz)?$/i;
/** Bytes of a part, the least and the most. Of 32 MB one core finds the entities in a minute or so. */
const LEAST = 2 ** 20;
const MOST = 32 * 2 ** 20;

/** @throws {BatchError} when there is no file with documents */
export async function findFiles(account: Account, input: Place): Promise<Files> {
  const folder = input.prefix.slice(0, input.prefix.lastIndexOf('/') + 1).length;
  const files: File[] = [];
  let others = 0;
  for await (const { key, etag, size } of account.list(input)) {
    const [, format, gz] = NAME.exec(key) ?? [];
    const name = key.slice(folder);
    // An output of an earlier run has books, too.
    if (!format || `/${name}`.includes(`/${BOOKS}`)) others += size > 0 ? 1 : 0;
    else if (size > 0) {
      const kind = format.toLowerCase() as Part['format'] | 'ndjson';
      files.push({ key, name, etag, size, format: kind === 'ndjson' ? 'jsonl' : kind, gzip: gz !== undefined });
    }
  }
  if (files.length === 0) {
    const found = others > 0 ? `only ${others} of other kinds` : 'none';
    throw new BatchError(`${placeName(input)} has no .jsonl, .csv or .tsv file, plain or .gz, but ${found}.`);
  }
  return { files, others };
}

/** So many bytes that all environments are busy to the end, and a part that is lost is not much. */
export function partBytes(files: readonly File[], concurrency: number): number {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  return Math.round(Math.min(MOST, Math.max(LEAST, total / (4 * concurrency))));
}

export const canBeCut = ({ format, gzip }: Pick<Part, 'format' | 'gzip'>): boolean => format === 'jsonl' && !gzip;

export function cut(files: readonly File[], bytes: number): Part[] {
  return files.flatMap((file): Part[] => {
    if (!canBeCut(file)) return [{ ...file, start: 0, end: null }];
    const count = Math.ceil(file.size / bytes);
    return Array.from({ length: count }, (_, index) => ({
      ...file,
      start: index * bytes,
      end: Math.min((index + 1) * bytes, file.size),
    }));
  });
}

/** Bytes of its file that a part reads. */
export const lengthOf = ({ start, end, size }: Part): number => (end ?? size) - start;
