import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import {
  chooseColumn,
  chooseField,
  DocumentsError,
  type FieldOptions,
  type Fields,
  noField,
  UnreadableError,
} from './fields.js';
import { inputName, MAX_RECORD, readLines, TOO_LONG } from './lines.js';
import { readRows } from './rows.js';

/** A document as it stands in a file. */
export interface SourceDocument {
  /** The file, as it was named; `-` for standard input. */
  source: string;
  /** Its line, from 1 (of a CSV record: its last line). Not there for .txt. */
  line?: number;
  /** The record's id, when it has one. A number of JSON stays a number. */
  id?: string | number;
  text: string;
}

export type DocumentFormat = 'txt' | 'jsonl' | 'csv';

/** A file, or standard input, that is there. */
export interface Input {
  path: string;
  format: DocumentFormat;
  /** Its size; undefined for what is no plain file. */
  bytes: number | undefined;
}

/** What stands in the inputs, in their order. `read` counts their bytes up to its end. */
export type Entry = (SourceDocument | { source: string; line?: number; error: UnreadableError }) & { read: number };

/**
 * @param format how to read every input; without it a file by how its name ends, and standard input as txt
 * @throws {DocumentsError} for a file that is missing, a directory, or of unknown kind
 */
export async function checkedInput(path: string, format: DocumentFormat | undefined): Promise<Input> {
  if (path === '-') return { path, format: format ?? 'txt', bytes: undefined };
  const found = await stat(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (found.isDirectory()) {
    throw new DocumentsError(`${path} is a directory; name the files in it, e.g. ${path}/*.txt`);
  }
  const bytes = found.isFile() ? found.size : undefined;
  const extension = extname(path).slice(1).toLowerCase();
  if (format) return { path, format, bytes };
  if (extension === 'txt' || extension === 'jsonl' || extension === 'csv') return { path, format: extension, bytes };
  throw new DocumentsError(`${path} is not a .txt, .jsonl or .csv file; say how to read it with --format`);
}

/**
 * Reads every document that can be read, as a stream.
 *
 * @throws {DocumentsError} when a file is reached of which the options do not tell which field holds the text
 */
export async function* readEntries(inputs: Input[], options: FieldOptions): AsyncGenerator<Entry, void, undefined> {
  let before = 0;
  for (const { path, format, bytes } of inputs) {
    let read = before;
    let empty = true;
    try {
      for await (const entry of READERS[format](path, options)) {
        read = entry.read += before;
        empty = false;
        yield entry;
      }
      if (empty) throw new UnreadableError(`${inputName(path)} is empty: it holds no document`);
    } catch (error) {
      yield { source: path, error: unreadable(path, error), read };
    }
    before = bytes === undefined ? read : before + bytes;
  }
}

const READERS = { txt: readText, jsonl: readJsonLines, csv: readCsv };

async function* readText(path: string): AsyncGenerator<Entry> {
  const lines: string[] = [];
  let read = 0;
  for await (const { text, line, end, problem } of readLines(path)) {
    if (problem) throw new UnreadableError(`${inputName(path)} line ${line} ${problem}`);
    if (end > MAX_RECORD) throw new UnreadableError(`${inputName(path)} ${TOO_LONG}`);
    lines.push(text);
    read = end;
  }
  const text = lines.join('');
  if (text !== '') yield { source: path, text, read };
}

async function* readJsonLines(path: string, options: FieldOptions): AsyncGenerator<Entry> {
  let field: string | undefined;
  for await (const { text: json, line, end: read, problem } of readLines(path)) {
    if (json.trim() === '') continue;
    const origin = { source: path, line };
    const where = `${inputName(path)} line ${line}`;
    try {
      if (problem) throw new UnreadableError(`${where} ${problem}`);
      const record = parseObject(json, where);
      field ??= chooseField(record, options, where);
      if (options.textField === undefined && field !== 'text' && Object.hasOwn(record, 'text')) {
        throw new DocumentsError(
          `${where} has a field "text", and those before it have not; name the one that holds the text (--text-field)`,
        );
      }
      yield { ...origin, ...idOf(record[options.idField ?? 'id'], where), text: textOf(record, field, where), read };
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      yield { ...origin, error, read };
    }
  }
}

async function* readCsv(path: string, options: FieldOptions): AsyncGenerator<Entry> {
  let header: string[] | undefined;
  let text = 0;
  let id = -1;
  for await (const { cells, line, end: read, problem } of readRows(path)) {
    const where = `${inputName(path)} line ${line}`;
    if (!header) {
      // One that is damaged tells nothing of the rows.
      if (problem) throw new UnreadableError(`${where} ${problem}`);
      header = cells.map((cell) => cell.trim());
      text = header.indexOf(chooseColumn(header, options, inputName(path)));
      id = header.indexOf(options.idField ?? 'id');
    } else if (problem) {
      yield { source: path, line, error: new UnreadableError(`${where} ${problem}`), read };
    } else if (cells.length !== header.length) {
      const reason = `the header has ${header.length} fields, and this row ${cells.length}`;
      yield { source: path, line, error: new UnreadableError(`${where} is not valid CSV: ${reason}`), read };
    } else {
      yield { source: path, line, ...idOf(cells[id], where), text: cells[text] as string, read };
    }
  }
}

function parseObject(json: string, where: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new UnreadableError(`${where} is not valid JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UnreadableError(`${where} is not a JSON object; one such as {"text": "…"} is expected on each line`);
  }
  return value as Fields;
}

function textOf(record: Fields, field: string, where: string): string {
  const text = record[field];
  if (!Object.hasOwn(record, field)) throw new UnreadableError(noField(record, field, where));
  if (typeof text !== 'string') {
    const found = text === null ? 'null' : typeof text;
    throw new UnreadableError(`${where} has no string in the field "${field}" but ${found}`);
  }
  return text;
}

/** JSON's reader rounds large numbers without a word, and another id than the caller's must never come out. */
function idOf(id: unknown, where: string): { id?: string | number } {
  if (typeof id === 'string') return { id };
  if (typeof id !== 'number') return {};
  if (Math.abs(id) <= Number.MAX_SAFE_INTEGER) return { id };
  throw new UnreadableError(`${where} has an id over 2^53, which is not read exactly; make it a string`);
}

function unreadable(path: string, error: unknown): UnreadableError {
  if (error instanceof UnreadableError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new UnreadableError(`there is no file ${path}; check the path`);
  if (code === 'EACCES') return new UnreadableError(`${path} may not be read; check its permissions`);
  if (code === undefined) throw error; // what concerns more than this file
  return new UnreadableError(`${inputName(path)} cannot be read (${code})`);
}
