import { constants, gunzipSync } from 'node:zlib';
import type { Account } from './account.js';
import { BatchError } from './errors.js';
import type { File } from './parts.js';

interface Fields {
  text: string;
  /** null: `id`, else `_id`. */
  id: string | null;
}

/** What the first bytes of some files tell of all. */
export interface Sample {
  fields: Fields;
  /** Estimated. */
  documents: number;
  characters: number;
}

const BYTES = 256 * 1024;
const FILES = 5;

/**
 * @param text which field or column holds the text; without it `text`, else the only one that can
 * @throws {BatchError} when no file tells which
 */
export async function takeSample(
  account: Account,
  bucket: string,
  files: readonly File[],
  { text, id }: { text?: string | undefined; id?: string | undefined },
): Promise<Sample> {
  let field = text;
  let sampled = 0;
  let documents = 0;
  let characters = 0;
  for (let index = 0; index < Math.min(FILES, files.length); index++) {
    const file = files[Math.floor((index * files.length) / Math.min(FILES, files.length))] as File;
    const bytes = (await account.read(bucket, file.key, Math.min(BYTES, file.size))) ?? Buffer.alloc(0);
    const whole = bytes.length === file.size;
    const lines = linesOf(unpacked(file, bytes), whole);
    const texts = file.format === 'jsonl' ? textsOf(lines) : cellsOf(lines, file.format);
    field ??= chooseField(texts[0] ?? {}, id, `s3://${bucket}/${file.key}`);
    sampled += file.size;
    // The rest of the file is as these lines are; the last one of a part was left out.
    const scale = (file.size / bytes.length) * (whole || lines.length === 0 ? 1 : (lines.length + 0.5) / lines.length);
    documents += texts.length * scale;
    characters += scale * texts.reduce((sum, record) => sum + String(record[field as string] ?? '').length, 0);
  }
  if (field === undefined) throw new BatchError(`s3://${bucket}/${files[0]?.key} holds no document.`);
  const scale = files.reduce((sum, { size }) => sum + size, 0) / sampled;
  return {
    fields: { text: field, id: id ?? null },
    documents: Math.round(documents * scale),
    characters: Math.round(characters * scale),
  };
}

type Record = { [field: string]: unknown };

function unpacked({ gzip }: File, bytes: Buffer): string {
  if (!gzip) return bytes.toString();
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  } catch {
    return ''; // the worker says what is wrong with it
  }
}

function linesOf(text: string, whole: boolean): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (!whole) lines.pop();
  return lines.filter((line) => line.trim() !== '');
}

function textsOf(lines: string[]): Record[] {
  return lines.map((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null ? (value as Record) : {};
    } catch {
      return {};
    }
  });
}

/** About, as a cell may hold a line break. */
function cellsOf([header = '', ...rows]: string[], format: File['format']): Record[] {
  const counts = (delimiter: string) => header.split(delimiter).length;
  const delimiter = format === 'tsv' ? '\t' : [',', ';', '\t', '|'].reduce((a, b) => (counts(b) > counts(a) ? b : a));
  const cells = (line: string) => line.split(delimiter).map((cell) => cell.trim().replace(/^"|"$/g, ''));
  const names = cells(header);
  return rows.map((row) => Object.fromEntries(cells(row).map((cell, index) => [names[index] ?? '', cell])));
}

function chooseField(record: Record, id: string | undefined, file: string): string {
  if (Object.hasOwn(record, 'text')) return 'text';
  const candidates = Object.keys(record).filter(
    (name) => typeof record[name] === 'string' && name !== (id ?? 'id') && name !== '_id',
  );
  if (candidates.length === 1 && candidates[0] !== undefined) return candidates[0];
  throw new BatchError(`${file} has no field or column "text"; name the one that holds the text (--text-field).`);
}
