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

/** Of each file; more where these hold no whole line. */
const BYTES = 256 * 1024;
const MOST_BYTES = 16 * 1024 * 1024;
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
  const count = Math.min(FILES, files.length);
  const some = Array.from({ length: count }, (_, at) => files[Math.floor((at * files.length) / count)] as File);
  const looks: Look[] = [];
  for (const file of some) looks.push(await look(account, bucket, file));
  const found = looks.flatMap(({ records }) => records);
  const name = `s3://${bucket}/${files[0]?.key}`;
  if (found.length === 0) throw new BatchError(`${name} holds no document.`);
  const field = text ?? looks.map(({ records }) => fieldOf(records, id)).find((one) => one !== undefined);
  if (field === undefined || !found.some((record) => Object.hasOwn(record, field))) {
    const wanted = `no field or column "${text ?? 'text'}"`;
    throw new BatchError(`${name} has ${wanted}; name the one that holds the text (--text-field).`);
  }
  let documents = 0;
  let characters = 0;
  for (const { records, scale } of looks) {
    documents += records.length * scale;
    characters += scale * records.reduce((sum, record) => sum + String(record[field] ?? '').length, 0);
  }
  const sampled = some.reduce((sum, { size }) => sum + size, 0);
  const scale = files.reduce((sum, { size }) => sum + size, 0) / sampled;
  return {
    fields: { text: field, id: id ?? null },
    documents: Math.round(documents * scale),
    characters: Math.round(characters * scale),
  };
}

/** The first documents of a file, and how many times as many all of it has. */
interface Look {
  records: Record[];
  scale: number;
}

async function look(account: Account, bucket: string, file: File): Promise<Look> {
  for (let most = BYTES; ; most *= 8) {
    const bytes = (await account.read(bucket, file.key, Math.min(most, file.size))) ?? Buffer.alloc(0);
    const isWhole = bytes.length === file.size;
    const lines = linesOf(unpacked(file, bytes), isWhole);
    const records = file.format === 'jsonl' ? recordsOf(lines) : cellsOf(lines, file.format);
    if (records.length === 0 && !isWhole && most < MOST_BYTES) continue;
    // The rest of the file is as these lines are; the last one of a part was left out.
    const torn = isWhole || lines.length === 0 ? 1 : (lines.length + 0.5) / lines.length;
    return { records, scale: (torn * file.size) / Math.max(1, bytes.length) };
  }
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

function recordsOf(lines: string[]): Record[] {
  return lines.map((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record) : {};
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

/** `text` where any record has it, else the only field that holds strings; undefined where there are several. */
function fieldOf(records: readonly Record[], id = 'id'): string | undefined {
  if (records.some((record) => Object.hasOwn(record, 'text'))) return 'text';
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  const candidates = [...names].filter(
    (name) => name !== id && name !== '_id' && records.some((record) => typeof record[name] === 'string'),
  );
  return candidates.length === 1 ? candidates[0] : undefined;
}
