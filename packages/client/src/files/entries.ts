import { stat } from 'node:fs/promises';
import { parseJson } from '../json.js';
import { inputName } from './bytes.js';
import {
  chooseField,
  DocumentsError,
  defaultId,
  type FieldOptions,
  type Fields,
  looksLikeName,
  noField,
  UnreadableError,
} from './fields.js';
import { readItems } from './items.js';
import { type Line, MAX_RECORD, readLines, TOO_LONG } from './lines.js';
import { type Row, readRows } from './rows.js';

/** A document as it stands in a file. */
export interface SourceDocument {
  /** The file, as it was named; `-` for standard input. */
  source: string;
  /** Its line, from 1 (of a CSV record its last line, of JSON its place in the array). Not there for .txt. */
  line?: number;
  /** The record's id, when it has one. What JSON has stays as it is: a number, a list, an object such as MongoDB's `$oid`. */
  id?: DocumentId;
  text: string;
}

export type DocumentId = string | number | boolean | unknown[] | { [field: string]: unknown };

export const FORMATS = ['txt', 'jsonl', 'json', 'csv', 'tsv'] as const;
export type DocumentFormat = (typeof FORMATS)[number];
/** How a file's name ends, and what it then is; `.gz` may follow. */
const EXTENSIONS = new Map<string, DocumentFormat>([...FORMATS.map((it) => [it, it] as const), ['ndjson', 'jsonl']]);
export const EXTENSION = new RegExp(`\\.(${[...EXTENSIONS.keys()].join('|')})(\\.gz)?$`, 'i');
export const KINDS = '.txt, .jsonl, .json, .csv or .tsv file';

/** A file, or standard input, that is there. */
export interface Input {
  path: string;
  format: DocumentFormat;
  /** Its size; undefined for what is no plain file. */
  bytes: number | undefined;
  /** Why it cannot be opened, where that is the file's own fault. */
  problem?: UnreadableError;
}

/** What stands in the inputs, in their order. `read` counts their bytes up to its end. */
export type Entry = (SourceDocument | { source: string; line?: number; error: UnreadableError }) & { read: number };

/**
 * @param format how to read every input; without it a file by how its name ends, and standard input as txt
 * @throws {DocumentsError} for a file that is missing, a directory, or of unknown kind, and for a format that there is not
 */
export async function checkedInput(path: string, format: DocumentFormat | undefined): Promise<Input> {
  if (format !== undefined && !FORMATS.includes(format)) {
    throw new DocumentsError(`the format is one of ${FORMATS.join(', ')}, not ${format}`);
  }
  if (path === '-') return { path, format: format ?? 'txt', bytes: undefined };
  const extension = EXTENSIONS.get(EXTENSION.exec(path)?.[1]?.toLowerCase() ?? '');
  const kind = format ?? extension;
  const found = await stat(path).catch((error) => unreadable(path, error));
  if (found instanceof Error) {
    // Node gives names that are not UTF-8 as what nothing is called.
    if (!path.includes('\uFFFD') || !kind) throw found;
    const problem = new UnreadableError(`${path} cannot be opened: its name is not UTF-8; rename it`);
    return { path, format: kind, bytes: 0, problem };
  }
  if (found.isDirectory()) {
    throw new DocumentsError(`${path} is a directory; name the files in it, e.g. ${path}/*.txt`);
  }
  if (!kind) throw new DocumentsError(`${path} is not a ${KINDS}; say how to read it with --format`);
  return { path, format: kind, bytes: found.isFile() ? found.size : undefined };
}

/**
 * Reads every document that can be read, as a stream.
 *
 * @throws {DocumentsError} when a file is reached of which the options do not tell which field holds the text
 */
export async function* readEntries(inputs: Input[], options: FieldOptions): AsyncGenerator<Entry, void, undefined> {
  let before = 0;
  for (const { path, format, bytes, problem } of inputs) {
    let read = before;
    let documents = 0;
    try {
      if (problem) throw problem;
      for await (const entry of READERS[format](path, options)) {
        read = entry.read += before;
        documents++;
        yield entry;
      }
      if (documents === 0) throw new UnreadableError(`${inputName(path)} is empty: it holds no document`);
    } catch (error) {
      yield { source: path, error: unreadable(path, error, documents), read };
    }
    before = bytes === undefined ? read : before + bytes;
  }
}

const READERS = {
  txt: readText,
  jsonl: (path: string, options: FieldOptions) => readRecords(path, 'line', readLines(path), options),
  json: (path: string, options: FieldOptions) => readRecords(path, 'item', readItems(path), options),
  csv: (path: string, options: FieldOptions) => readCells(path, readRows(path), options),
  tsv: (path: string, options: FieldOptions) => readCells(path, readRows(path, '\t'), options),
};

async function* readText(path: string): AsyncGenerator<Entry> {
  const lines: string[] = [];
  let size = 0;
  let read = 0;
  for await (const { text, line, end, problem } of readLines(path)) {
    if (problem) throw new UnreadableError(`${inputName(path)} line ${line} ${problem}`);
    size += text.length;
    if (size > MAX_RECORD) throw new UnreadableError(`${inputName(path)} ${TOO_LONG}`);
    lines.push(text);
    read = end;
  }
  const text = lines.join('');
  if (text !== '') yield { source: path, text, read };
}

async function* readRecords(
  path: string,
  what: 'line' | 'item',
  records: AsyncGenerator<Line>,
  options: FieldOptions,
): AsyncGenerator<Entry> {
  let field: string | undefined;
  for await (const { text: json, line, end: read, problem } of records) {
    if (json.trim() === '' && !problem) continue;
    const origin = { source: path, line };
    const where = `${inputName(path)} ${what} ${line}`;
    try {
      if (problem) throw new UnreadableError(`${where} ${problem}`);
      const record = parseObject(json, where);
      const names = Object.keys(record);
      const isString = (name: string) => typeof record[name] === 'string';
      field ??= chooseField('field', names, names.filter(isString), options, where);
      if (options.textField === undefined && field !== 'text' && names.includes('text')) {
        throw new DocumentsError(
          `${where} has a field "text", and those before it have not; name the one that holds the text (--text-field)`,
        );
      }
      const id = idOf(record[options.idField ?? defaultId(names)], where);
      yield { ...origin, ...id, text: textOf(record, field, where), read };
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      yield { ...origin, error, read };
    }
  }
}

async function* readCells(path: string, rows: AsyncGenerator<Row>, options: FieldOptions): AsyncGenerator<Entry> {
  let header: string[] | undefined;
  let text = 0;
  let id = -1;
  for await (const { cells, line, end: read, problem } of rows) {
    const where = `${inputName(path)} line ${line}`;
    if (!header) {
      // One that is damaged tells nothing of the rows.
      if (problem) throw new UnreadableError(`${where} ${problem}`);
      header = cells.map((cell) => cell.trim());
      text = header.indexOf(chooseColumn(header, options, inputName(path)));
      id = header.indexOf(options.idField ?? defaultId(header));
    } else if (problem) {
      yield { source: path, line, error: new UnreadableError(`${where} ${problem}`), read };
    } else {
      yield { source: path, line, ...idOf(cells[id], where), text: cells[text] as string, read };
    }
  }
}

/** Takes no first document for a header. */
function chooseColumn(header: string[], options: FieldOptions, file: string): string {
  const named = [options.textField ?? 'text', ...(options.idField ? [options.idField] : [])];
  const missing = named.find((name) => !header.includes(name));
  if (missing !== undefined && !header.every(looksLikeName)) {
    throw new DocumentsError(
      `${file} has no column "${missing}", and its first line does not look like a header; ` +
        'add one, e.g. id,text, or name a column of it (--text-field)',
    );
  }
  return chooseField('column', header, header, options, file);
}

function parseObject(json: string, where: string): Fields {
  // A byte order mark, where files were put together.
  const value = parseJson(json.replace(/^\uFEFF/, ''));
  if (value === undefined) throw new UnreadableError(`${where} is not valid JSON`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UnreadableError(`${where} is not a JSON object, such as {"text": "…"}`);
  }
  return value as Fields;
}

function textOf(record: Fields, field: string, where: string): string {
  const text = Object.hasOwn(record, field) ? record[field] : undefined;
  if (typeof text === 'string') return text;
  if (text === undefined) throw new UnreadableError(noField('field', field, Object.keys(record), where));
  const found = text === null ? 'null' : typeof text;
  throw new UnreadableError(`${where} has no string in the field "${field}" but ${found}`);
}

/** An id's objects and lists within each other; JSON's writer goes less deep than its reader. */
const DEEPEST_ID = 100;

/** JSON's reader rounds large numbers without a word, and another id than the caller's must never come out. */
function idOf(id: unknown, where: string): { id?: DocumentId } {
  if (id === undefined || id === null) return {};
  const bad = idProblem(id);
  if (bad) throw new UnreadableError(`${where} has an id ${bad}; make it a string`);
  return { id: id as DocumentId };
}

function idProblem(value: unknown, deep = 0): string | undefined {
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    return 'over 2^53, which is not read exactly';
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (deep === DEEPEST_ID) return `of more than ${DEEPEST_ID} objects within each other`;
  for (const inner of Object.values(value)) {
    const problem = idProblem(inner, deep + 1);
    if (problem) return problem;
  }
  return undefined;
}

function unreadable(path: string, error: unknown, documents = 0): UnreadableError {
  if (error instanceof UnreadableError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error; // what concerns more than this file
  if (code === 'ENOENT') return new UnreadableError(`there is no file ${path}; check the path`);
  if (code === 'EACCES') return new UnreadableError(`${path} may not be read; check its permissions`);
  const why = code === 'Z_BUF_ERROR' ? 'ends too early' : `cannot be read (${code})`;
  const where = documents > 0 ? ` after ${documents} documents; the rest of it is not done` : '';
  return new UnreadableError(`${inputName(path)} ${why}${where}`);
}
